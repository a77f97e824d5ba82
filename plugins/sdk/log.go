package sdk

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// timeLayout is the one that the agent's side reads; a line with another is
// taken for text without a level.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// logHandler writes records as the agent reads them from standard error: one
// JSON object a line, with the time, the level and the message under names of
// their own.
type logHandler struct {
	mu    *sync.Mutex
	w     io.Writer
	attrs []slog.Attr
	group string
}

// NewLogHandler returns the handler that Serve installs.
func NewLogHandler(w io.Writer) slog.Handler { return &logHandler{mu: &sync.Mutex{}, w: w} }

// Enabled implements slog.Handler: the agent decides what is shown.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	line := map[string]any{
		"@timestamp": r.Time.Format(timeLayout),
		"@level":     levelName(r.Level),
		"@message":   r.Message,
	}
	add := func(group string, a slog.Attr) {
		if key := group + a.Key; a.Key != "" && key[0] != '@' {
			line[key] = plain(a.Value.Resolve())
		}
	}
	for _, a := range h.attrs {
		add("", a) // with its group already
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		line["trace_id"] = span.TraceID().String()
	}
	r.Attrs(func(a slog.Attr) bool { add(h.group, a); return true })
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = h.w.Write(append(text, '\n'))
	return err
}

// plain is a value that JSON can hold without losing what it says.
func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindString, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindBool:
		return v.Any()
	}
	return v.String()
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group = h.group + name + "."
	return &next
}
