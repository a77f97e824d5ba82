package observability

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// repeatedFor is how long a warning or error that is the same as one
	// before is kept back.
	repeatedFor = time.Minute
	// maxRepeated bounds how many different ones are remembered.
	maxRepeated = 128
)

// handler writes records with the trace of what goes on, and warnings and
// errors that repeat themselves once a minute, with how often they came.
type handler struct {
	slog.Handler
	// own are the attributes of this logger, as text: part of what makes two
	// records the same.
	own   string
	trace func() string
	seen  *repeated
}

// repeated are the warnings and errors of the last minute.
type repeated struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*repetition
}

type repetition struct {
	written time.Time
	held    int // since
}

// NewHandler wraps a handler. trace is the id of the trace that goes on, ""
// if there is none; it must not log.
func NewHandler(h slog.Handler, trace func() string, now func() time.Time) slog.Handler {
	return handler{Handler: h, trace: trace, seen: &repeated{now: now, all: map[string]*repetition{}}}
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		held, write := h.seen.look(h.own, r)
		if !write {
			return nil
		}
		if held > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", held))
		}
	}
	if id := h.trace(); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.own += " " + a.String()
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	h.own += " " + name + ":"
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// look reports whether a record is to be written, and how many like it were
// kept back since the last one.
func (s *repeated) look(own string, r slog.Record) (held int, write bool) {
	var key strings.Builder
	key.WriteString(r.Level.String() + " " + r.Message + own)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "took" { // differs each time, and says nothing new
			key.WriteString(" " + a.String())
		}
		return true
	})
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.all[key.String()]; old != nil && now.Sub(old.written) < repeatedFor {
		old.held++
		return 0, false
	} else if old != nil {
		held = old.held
	}
	if len(s.all) >= maxRepeated {
		s.forget(now)
	}
	s.all[key.String()] = &repetition{written: now}
	return held, true
}

// forget makes room: what is older than a minute goes, else all.
func (s *repeated) forget(now time.Time) {
	for k, v := range s.all {
		if now.Sub(v.written) >= repeatedFor {
			delete(s.all, k)
		}
	}
	if len(s.all) >= maxRepeated {
		clear(s.all)
	}
}
