package plugins

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// hclogger is an hclog.Logger over slog.
type hclogger struct {
	log  *slog.Logger
	name string
	args []any
}

func (h hclogger) at(level slog.Level, msg string, args []any) {
	if !h.log.Enabled(context.Background(), level) {
		return
	}
	all := append(append([]any(nil), h.args...), args...)
	attrs := make([]slog.Attr, 0, len(all)/2)
	for i := 0; i+1 < len(all); i += 2 {
		key := fmt.Sprint(all[i])
		if key == "timestamp" || key == "plugin" {
			continue // this logger has them
		}
		attrs = append(attrs, slog.Any(key, all[i+1]))
	}
	// What a plugin logs has been a map, and comes in an order of chance.
	slices.SortStableFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	h.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// Log implements hclog.Logger.
func (h hclogger) Log(l hclog.Level, msg string, args ...any) { h.at(levelOf(l), msg, args) }

// Trace implements hclog.Logger; go-plugin's own chatter is of no interest.
func (h hclogger) Trace(string, ...any) {}

// Debug implements hclog.Logger.
func (h hclogger) Debug(msg string, args ...any) { h.at(slog.LevelDebug, msg, args) }

// Info implements hclog.Logger.
func (h hclogger) Info(msg string, args ...any) { h.at(slog.LevelInfo, msg, args) }

// Warn implements hclog.Logger.
func (h hclogger) Warn(msg string, args ...any) { h.at(slog.LevelWarn, msg, args) }

// Error implements hclog.Logger.
func (h hclogger) Error(msg string, args ...any) { h.at(slog.LevelError, msg, args) }

func levelOf(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace, hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// IsTrace implements hclog.Logger.
func (h hclogger) IsTrace() bool { return false }

// IsDebug implements hclog.Logger.
func (h hclogger) IsDebug() bool { return h.log.Enabled(context.Background(), slog.LevelDebug) }

// IsInfo implements hclog.Logger.
func (h hclogger) IsInfo() bool { return true }

// IsWarn implements hclog.Logger.
func (h hclogger) IsWarn() bool { return true }

// IsError implements hclog.Logger.
func (h hclogger) IsError() bool { return true }

// ImpliedArgs implements hclog.Logger.
func (h hclogger) ImpliedArgs() []any { return h.args }

// With implements hclog.Logger.
func (h hclogger) With(args ...any) hclog.Logger {
	h.args = append(append([]any(nil), h.args...), args...)
	return h
}

// Name implements hclog.Logger.
func (h hclogger) Name() string { return h.name }

// Named implements hclog.Logger.
func (h hclogger) Named(name string) hclog.Logger { h.name = name; return h }

// ResetNamed implements hclog.Logger.
func (h hclogger) ResetNamed(name string) hclog.Logger { h.name = name; return h }

// SetLevel implements hclog.Logger; slog's handler decides.
func (h hclogger) SetLevel(hclog.Level) {}

// GetLevel implements hclog.Logger.
func (h hclogger) GetLevel() hclog.Level { return hclog.Debug }

// StandardLogger implements hclog.Logger.
func (h hclogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(h.log.Handler(), slog.LevelInfo)
}

// StandardWriter implements hclog.Logger.
func (h hclogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return h.StandardLogger(nil).Writer()
}
