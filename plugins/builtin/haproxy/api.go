package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
)

// api is the runtime API of one HAProxy; "" never.
type api struct{ address string }

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// ask sends one line of commands and returns the whole answer.
func (a api) ask(ctx context.Context, line string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(a.address, "/") {
		network = "unix"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, a.address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", fmt.Errorf("send command: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return string(text), nil
}

// run runs commands that answer nothing when they go well.
func (a api) run(ctx context.Context, list []string) error {
	if len(list) == 0 {
		return nil
	}
	text, err := a.ask(ctx, strings.Join(list, "; "))
	if err != nil {
		return err
	}
	if said := strings.Join(strings.Fields(text), " "); said != "" {
		return errors.New("HAProxy says: " + said)
	}
	slog.Debug("told HAProxy", "socket", a.address, "commands", strings.Join(list, "; "))
	return nil
}

// variable is where the epoch of a backend is kept in the HAProxy process.
func variable(backend string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, backend)
	return "proc.pgregent_" + clean + "_epoch"
}

// claim notes the epoch and reports whether there is none that is newer.
func (a api) claim(ctx context.Context, backend string, epoch int64) (newest bool, err error) {
	text, err := a.ask(ctx, "get var "+variable(backend))
	if err != nil {
		return false, err
	}
	if seen, ok := value(text); ok && seen > epoch {
		slog.Warn("route ignored: a newer one is in force", "socket", a.address, "epoch", epoch, "newest", seen)
		return false, nil
	}
	text, err = a.ask(ctx, fmt.Sprintf("experimental-mode on; set var %s int(%d)", variable(backend), epoch))
	if err != nil {
		return false, err
	}
	if said := strings.TrimSpace(text); said != "" {
		return false, errors.New("HAProxy says: " + said)
	}
	return true, nil
}

// value reads "proc.x: type=sint value=<17>".
func value(text string) (int64, bool) {
	_, rest, ok := strings.Cut(text, "value=<")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, ">")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// server is one server of a backend.
type server struct {
	name string
	up   bool
	// drained means that nothing but a drain by the runtime API is in force.
	drained bool
}

// adminDrain is the bit of srv_admin_state for a drain by the runtime API.
const adminDrain = 8

// servers reads "show servers state": version 1, one line for each server.
func (a api) servers(ctx context.Context, backend string) ([]server, error) {
	text, err := a.ask(ctx, "show servers state "+backend)
	if err != nil {
		return nil, err
	}
	var out []server
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		const name, opState, adminState = 3, 5, 6
		if len(f) <= adminState || strings.HasPrefix(line, "#") {
			continue
		}
		if !names.MatchString(f[name]) {
			continue
		}
		out = append(out, server{name: f[name], up: f[opState] != "0", drained: f[adminState] == strconv.Itoa(adminDrain)})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("backend %s has no servers: %s", backend, strings.Join(strings.Fields(text), " "))
	}
	return out, nil
}
