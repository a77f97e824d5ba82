package sim

import (
	"context"
	"log/slog"
)

// logHandler puts the agent's log into the transcript.
type logHandler struct {
	p     *process
	attrs []slog.Attr
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	h.p.n.w.locked(func() {
		if !h.p.dead {
			h.p.n.w.note(h.p.n.name, "  agent: %v", logLine{r})
		}
	})
	return nil
}

func (h *logHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return &logHandler{p: h.p, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], a...)}
}
func (h *logHandler) WithGroup(string) slog.Handler { return h }

// logLine is a record that is put into words when it is read.
type logLine struct{ r slog.Record }

func (l logLine) String() string {
	text := l.r.Message
	l.r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	return text
}
