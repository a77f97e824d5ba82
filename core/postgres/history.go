package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// parseHistory reads a timeline history file: rows of timeline, switch point
// and reason between tabs; comments and blank lines.
func parseHistory(text string) (cluster.History, error) {
	h := cluster.History{}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(line, "\t", 3)
		if len(f) < 2 {
			return nil, fmt.Errorf("parse timeline history: row %q", line)
		}
		tl, err := strconv.ParseUint(strings.TrimSpace(f[0]), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parse timeline history: row %q: %w", line, err)
		}
		lsn, err := cluster.ParseLSN(strings.TrimSpace(f[1]))
		if err != nil {
			return nil, fmt.Errorf("parse timeline history: %w", err)
		}
		e := cluster.HistoryEntry{Timeline: cluster.Timeline(tl), LSN: lsn}
		if len(f) > 2 {
			e.Reason = f[2]
		}
		h = append(h, e)
	}
	return h, nil
}

// TimelineHistory reads the rows of the current timeline's history file;
// empty on timeline 1. The time of the last row is the file's.
func (s *Server) TimelineHistory(ctx context.Context) (cluster.History, error) {
	tl, err := s.currentTimeline(ctx)
	if err != nil {
		return nil, fmt.Errorf("read timeline history: %w", err)
	}
	if tl <= 1 {
		return cluster.History{}, nil
	}
	h, err := s.readHistory(tl)
	if err != nil {
		return nil, err
	}
	path := s.historyPath(tl)
	if info, err := os.Stat(path); err == nil && len(h) > 0 {
		h[len(h)-1].At = info.ModTime().Format("2006-01-02T15:04:05.000000-07:00")
	}
	return h, nil
}

func (s *Server) historyPath(tl cluster.Timeline) string {
	return filepath.Join(s.config().DataDir, "pg_wal", fmt.Sprintf("%08X.history", uint32(tl)))
}

// readHistory reads the rows of a timeline's file.
func (s *Server) readHistory(tl cluster.Timeline) (cluster.History, error) {
	path := s.historyPath(tl)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read timeline history: %w", err)
	}
	h, err := parseHistory(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return h, nil
}

// ownHistory is readHistory, and nil where there is no file.
func (s *Server) ownHistory(tl cluster.Timeline) (cluster.History, error) {
	if tl <= 1 {
		return nil, nil
	}
	h, err := s.readHistory(tl)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return h, err
}

// ancestry is ownHistory for the status: unknown when the file is not there
// yet, or cannot be read. It is read once for each timeline that the data
// directory has been on.
func (s *Server) ancestry(tl cluster.Timeline) cluster.History {
	info, err := os.Stat(s.historyPath(tl))
	if err != nil {
		return nil
	}
	s.mu.Lock()
	known := s.history
	s.mu.Unlock()
	if known.of == tl && known.written.Equal(info.ModTime()) {
		return known.rows
	}
	rows, err := s.readHistory(tl)
	if err != nil {
		s.log.Debug("timeline history is not known", slog.Any("err", err))
		return nil
	}
	s.mu.Lock()
	s.history = historyCache{of: tl, written: info.ModTime(), rows: rows}
	s.mu.Unlock()
	return rows
}

// historyCache is a history file as last read.
type historyCache struct {
	of      cluster.Timeline
	written time.Time
	rows    cluster.History
}

// currentTimeline is the local server's, from SQL when it answers, else from
// the control file.
func (s *Server) currentTimeline(ctx context.Context) (cluster.Timeline, error) {
	if pm := s.find(); pm != nil {
		if st, err := s.status(ctx); err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			return max(st.in.Timeline, s.timeline), nil
		}
	}
	head, err := readControlHead(s.config().DataDir)
	return head.Timeline, err
}
