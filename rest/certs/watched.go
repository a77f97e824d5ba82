package certs

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// watched is what was read from files, read again when one of them changes.
type watched[T any] struct {
	load  func() (T, error)
	names []string
	log   *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   string
	value  T
	loaded bool
}

// get returns the newest value that could be read. It is an error only if
// there never was one.
func (w *watched[T]) get() (T, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loaded && time.Since(w.looked) < lookAgain {
		return w.value, nil
	}
	w.looked = time.Now()
	seen := fingerprint(w.names)
	if w.loaded && seen == w.seen {
		return w.value, nil
	}
	value, err := w.load()
	w.seen = seen
	switch {
	case err == nil:
		if w.loaded {
			w.log.Info("certificates were read again", "files", w.names)
		}
		w.value, w.loaded = value, true
	case w.loaded:
		w.log.Warn("changed certificates cannot be used; the former ones stay in force", "err", err)
		err = nil
	}
	return w.value, err
}

// fingerprint changes with the files.
func fingerprint(names []string) string {
	var b strings.Builder
	for _, name := range names {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&b, "%s?;", name)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d;", name, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}
