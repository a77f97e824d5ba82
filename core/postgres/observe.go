package postgres

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Observe looks at the process, the files and, when it runs, asks the server
// once, for at most about two seconds.
func (s *Server) Observe(ctx context.Context) cluster.Instance {
	in := s.observe(ctx)
	in.DiskProblem = s.diskProblem()
	return in
}

func (s *Server) observe(ctx context.Context) cluster.Instance {
	pm := s.find()
	s.mu.Lock()
	in := cluster.Instance{State: s.phase}
	s.mu.Unlock()
	if pm == nil {
		s.observeFiles(ctx, &in)
		return in
	}
	in.Running, in.Pid = true, pm.proc.pid
	s.observeServer(ctx, pm, &in)
	if !pm.alive() { // it went while we asked
		s.postmasterExited(pm)
		return s.gone(ctx)
	}
	s.mu.Lock()
	if s.pendingOf == pm && s.pending.Len() > 0 {
		in.PendingRestart, in.PendingReason = true, s.pending
	}
	s.mu.Unlock()
	return in
}

// gone observes a server of which it is known that it has just exited.
func (s *Server) gone(ctx context.Context) cluster.Instance {
	s.mu.Lock()
	in := cluster.Instance{State: s.phase}
	s.mu.Unlock()
	s.observeFiles(ctx, &in)
	return in
}

// observeFiles is the observation while PostgreSQL is down.
func (s *Server) observeFiles(ctx context.Context, in *cluster.Instance) {
	switch in.State {
	case cluster.StateInitializing, cluster.StateCreatingReplica:
		in.DataEmpty = true // in the making
		return
	case cluster.StateRunning:
		in.State = cluster.StateCrashed
	}
	in.DataEmpty, in.DataProblem = s.inspectData()
	if in.DataEmpty || in.DataProblem != "" {
		return
	}
	dir := s.config().DataDir
	in.Standby = signalledStandby(dir)
	d, err := s.controlData(ctx)
	if err != nil {
		in.DataProblem = "data directory " + dir + ": " + err.Error()
		return
	}
	if in.DataProblem = d.corrupt(dir); in.DataProblem != "" {
		return // and not another cluster's, whatever it says
	}
	if head, err := readControlHead(dir); err == nil {
		in.SystemID = head.SystemID
		in.Timeline = head.Timeline
	}
	in.Control = d.control()
	in.Timeline = max(in.Timeline, in.Control.MinRecoveryTLI)
	if major, err := majorVersion(dir); err == nil {
		in.ServerVersion = major * 10000
	}
}

// observeServer asks the running server.
func (s *Server) observeServer(ctx context.Context, pm *postmaster, in *cluster.Instance) {
	dir := s.resolvedDir()
	if head, err := readControlHead(dir); err == nil {
		in.SystemID = head.SystemID
	}
	in.Standby = signalledStandby(dir)
	if in.State == cluster.StateStopping {
		in.Err = "the server is being stopped" // asking would wait for its end
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, probeLimit, errors.New("no answer within 2 s"))
	defer cancel()
	st, err := s.status(ctx)
	if err != nil {
		s.unanswered(pm, in, err)
		return
	}
	if st.in.Standby && st.in.ReplicationState != "streaming" {
		// Without a WAL receiver the server tells the timeline of the last
		// restartpoint only, and this agent may be younger than what came since.
		st.in.Timeline = max(st.in.Timeline, newestSegmentTimeline(dir))
	}
	if stalled, err := s.replayStalled(ctx, st.in); err != nil {
		s.log.Debug("why replay is paused is not known", slog.Any("err", err))
	} else {
		st.in.ReplayStalled = stalled
	}
	s.mu.Lock()
	if s.pm == pm {
		s.timeline = max(s.timeline, st.in.Timeline)
		st.in.Timeline = s.timeline
		s.standby = st.in.Standby
		if s.phase == cluster.StateStarting && st.in.Ready {
			s.phase = cluster.StateRunning // a slow start has ended
		}
	}
	known := s.pendingOf == pm
	phase := s.phase
	s.mu.Unlock()
	st.in.History = s.ancestry(st.in.Timeline)
	st.in.State = cluster.StateRunning
	if phase == cluster.StateStopping || phase == cluster.StateRestarting {
		st.in.State = phase
	}
	st.in.Running, st.in.Pid, st.in.SystemID = true, in.Pid, in.SystemID
	st.in.SyncManaged = s.managedNames(s.config()) != nil
	*in = st.in
	if !known {
		if err := s.refreshPending(ctx, pm); err != nil {
			s.log.Debug("pending restart is not known", slog.Any("err", err))
		}
	}
}

// unanswered is the observation of a server that lives and does not answer.
func (s *Server) unanswered(pm *postmaster, in *cluster.Instance, err error) {
	in.Err = err.Error()
	switch in.State {
	case cluster.StateStopping, cluster.StateRestarting, cluster.StateStarting:
		return
	}
	in.State = cluster.StateRunning
	file, _, fileErr := readPidFile(s.resolvedDir())
	switch {
	case fileErr == nil && file.Pid == pm.proc.pid && file.Status == "stopping":
		in.State = cluster.StateStopping
	case fileErr == nil && file.Status != "ready" && file.Status != "standby":
		in.State = cluster.StateStarting
	case errors.Is(err, errStarting), isRefused(err) && file.Status != "ready":
		in.State = cluster.StateStarting
	}
}

func isRefused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// waitLimit is the longest wait for the server to have read its files again.
const waitLimit = time.Second
