package observability

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes one record a line to w, as
// key=value text or as JSON.
func NewLogger(w io.Writer, level slog.Leveler, json bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
