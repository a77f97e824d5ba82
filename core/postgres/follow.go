package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
)

// setFollowing remembers which upstream the recovery settings name.
func (s *Server) setFollowing(known bool, up *cluster.Upstream) {
	s.mu.Lock()
	s.followKnown, s.following = known, up
	s.mu.Unlock()
}

// Wants reports whether the running standby must be pointed elsewhere to
// follow up (nil: nobody). It is true also for a standby whose settings this
// Server has not yet written.
func (s *Server) Wants(up *cluster.Upstream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.followKnown || !s.following.Same(up)
}

// Follow points the running standby at another upstream by a reload. A standby
// without its signal file is restarted; a primary is left alone.
func (s *Server) Follow(ctx context.Context, up *cluster.Upstream) error {
	pm := s.find()
	if pm == nil {
		return errors.New("follow upstream: PostgreSQL does not run")
	}
	dir := s.resolvedDir()
	recovering, err := s.inRecovery(ctx)
	if err != nil {
		recovering = true // still on its way; then the signal file decides
	}
	if !recovering {
		return errors.New("follow upstream: the server has become a primary")
	}
	if !signalledStandby(dir) || s.mustRestart(up) {
		return s.restart(ctx, cluster.StartOptions{Standby: true, Upstream: up})
	}
	if _, err := s.writeConf(ctx, role{standby: true, up: up}); err != nil {
		return fmt.Errorf("follow upstream: %w", err)
	}
	if err := pm.signal(unix.SIGHUP); err != nil {
		return fmt.Errorf("follow upstream: %w", err)
	}
	s.reloads.Add(1)
	s.setFollowing(true, up)
	return nil
}

// restart stops and starts the server.
func (s *Server) restart(ctx context.Context, o cluster.StartOptions) error {
	s.setPhase(cluster.StateRestarting)
	err := s.Stop(ctx, cluster.StopFast, true, nil)
	if err == nil {
		err = s.Start(ctx, o)
	}
	if err != nil {
		s.setPhase(cluster.StateRestartFailed)
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	return nil
}

// Configure takes over new local and dynamic configuration, writes the files
// and reloads the running server. Of a server that is down, Start writes the
// files.
func (s *Server) Configure(ctx context.Context, dynamic *cluster.Object) error {
	if s.effective == nil {
		return errors.New("configure PostgreSQL: no source of configuration")
	}
	cfg, warnings := s.effective(dynamic)
	s.warn("settings", warnings)
	s.mu.Lock()
	s.cfg = cfg
	force := s.force
	s.force = false
	s.mu.Unlock()
	pm := s.find()
	if pm == nil {
		return nil
	}
	changed, err := s.writeConfFor(ctx, func() role { return s.currentRole(ctx) })
	if err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	if changed || force {
		if err := s.reload(ctx, pm); err != nil {
			return fmt.Errorf("configure PostgreSQL: %w", err)
		}
	}
	if err := s.refreshPending(ctx, pm); err != nil {
		// The server starts, or is not reachable; the next observation asks.
		s.log.Debug("pending restart is not known", slog.Any("err", err))
		s.mu.Lock()
		s.pendingOf = nil
		s.mu.Unlock()
	}
	return nil
}

// ReloadAnyway makes the next Configure reload the server even if its files
// are as they should be: an operator may have changed others, certificates or
// a pg_hba.conf that is not ours.
func (s *Server) ReloadAnyway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.force = true
}

// currentRole is what the running server is, so that its files can be
// written again without changing it.
func (s *Server) currentRole(ctx context.Context) role {
	recovering, err := s.inRecovery(ctx)
	if err != nil {
		recovering = signalledStandby(s.config().DataDir)
	}
	if !recovering {
		return role{}
	}
	s.mu.Lock()
	known, up := s.followKnown, s.following
	s.mu.Unlock()
	if !known {
		up = s.writtenUpstream()
	}
	return role{standby: true, up: up}
}

// writtenUpstream reads the upstream from the postgresql.conf that an earlier
// agent has written; nil if there is none.
func (s *Server) writtenUpstream() *cluster.Upstream {
	text, err := os.ReadFile(filepath.Join(configDir(s.config()), "postgresql.conf"))
	if err != nil {
		return nil
	}
	var up *cluster.Upstream
	remote := s.remote()
	for line := range strings.SplitSeq(string(text), "\n") {
		if lineName(line) != "primary_conninfo" {
			continue
		}
		_, value, _ := strings.Cut(line, "=")
		value = strings.Trim(strings.TrimSpace(value), "'")
		words := parseConninfo(strings.NewReplacer("''", "'", `\\`, `\`).Replace(value))
		up = nil
		if remote != nil && words["host"] == remote.Host && words["port"] == remote.Ports() {
			up = remote
			continue
		}
		if port, err := strconv.Atoi(words["port"]); err == nil && words["host"] != "" {
			up = &cluster.Upstream{Host: words["host"], Port: port}
		}
	}
	return up
}

// parseConninfo reads word=value pairs, plain or quoted; what is not
// understood ends it.
func parseConninfo(text string) map[string]string {
	words := map[string]string{}
	rest := strings.TrimLeft(text, " ") // a blank at the end may be escaped
	for {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			return words
		}
		rest = strings.TrimLeft(after, " ")
		quoted := strings.HasPrefix(rest, "'")
		rest = strings.TrimPrefix(rest, "'")
		var value strings.Builder
		i := 0
		for ; i < len(rest); i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			} else if quoted && rest[i] == '\'' || !quoted && rest[i] == ' ' {
				break
			}
			value.WriteByte(rest[i])
		}
		words[strings.TrimSpace(name)] = value.String()
		rest = strings.TrimLeft(rest[min(i+1, len(rest)):], " ")
	}
}

// reload makes the server read its files again and waits until it has.
func (s *Server) reload(ctx context.Context, pm *postmaster) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	before, err := s.loadedAt(ctx)
	s.reloads.Add(1)
	if sig := pm.signal(unix.SIGHUP); sig != nil || err != nil {
		return sig // a server that cannot be asked reloads all the same
	}
	err = pm.waitFor(ctx, 10*time.Millisecond, func() bool {
		now, err := s.loadedAt(ctx)
		return err == nil && now.After(before)
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("reload: %w", err)
	}
	return nil
}

// loadedAt is when the server last read its configuration files.
func (s *Server) loadedAt(ctx context.Context) (time.Time, error) {
	db, err := s.pool()
	if err != nil {
		return time.Time{}, err
	}
	var at time.Time
	if err := db.QueryRowContext(ctx, "SELECT pg_catalog.pg_conf_load_time()").Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("ask for configuration load time: %w", translate(err))
	}
	return at, nil
}
