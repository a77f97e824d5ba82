package contract

import (
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func startStop(t testing.TB, open func(string) Server) {
	s := open("a")
	if in := observe(t, s); !in.DataEmpty || in.Running || in.State != cluster.StateStopped {
		t.Errorf("without data: %+v", in)
	}
	if err := s.Start(bound(t), cluster.StartOptions{}); err == nil {
		t.Error("it started without data")
	}
	must(t, "initdb", s.Initdb(bound(t)))
	made := observe(t, s)
	if made.DataEmpty || made.Running || made.Standby || made.Timeline != 1 || !cluster.ValidSystemID(made.SystemID) ||
		made.Control.State != "shut down" {
		t.Errorf("new data: %+v", made)
	}
	must(t, "start", s.Start(bound(t), cluster.StartOptions{}))
	must(t, "post bootstrap", s.PostBootstrap(bound(t)))
	in := observe(t, s)
	if in.State != cluster.StateRunning || !in.Ready || in.Standby || in.Timeline != 1 || in.SystemID != made.SystemID || in.DataEmpty ||
		in.ReplicationState != "" || len(in.Replication) != 0 || in.SyncNames != "" || in.SyncManaged || in.SyncCommit != "on" {
		t.Errorf("a running primary: %+v", in)
	}
	if h, err := s.TimelineHistory(bound(t)); h == nil || len(h) != 0 || err != nil {
		t.Errorf("history of timeline 1: %v, %v", h, err)
	}
	must(t, "start what runs", s.Start(bound(t), cluster.StartOptions{}))
	if again := observe(t, s); again.Pid != in.Pid {
		t.Error("a start of what runs made another process")
	}
	if s.Start(bound(t), cluster.StartOptions{Standby: true}) == nil || !observe(t, s).Primary() {
		t.Error("a running primary was started as a standby")
	}
	write(t, s, 1)
	wrote := observe(t, s).WriteLSN
	if wrote <= in.WriteLSN {
		t.Errorf("a write moved the log from %v to %v", in.WriteLSN, wrote)
	}
	end := stop(t, s)
	down := observe(t, s)
	if down.State != cluster.StateStopped || down.Running || down.Standby || down.Timeline != 1 || down.SystemID != in.SystemID || down.Control.State != "shut down" ||
		down.Control.Timeline != 1 || down.Control.CheckpointLSN < wrote || down.Control.CheckpointLSN >= end || !down.Control.RewindPossible {
		t.Errorf("stopped, the log up to %v, then to %v: %+v", wrote, end, down)
	}
	must(t, "stop what is down", s.Stop(bound(t), cluster.StopFast, true, func(cluster.LSN) { t.Error("a stop of nothing told an end") }))
	must(t, "kill what is down", s.Kill())
	if s.Promote(bound(t)) == nil || s.Follow(bound(t), nil) == nil || s.Checkpoint(bound(t)) == nil {
		t.Error("what is down was promoted, follows or made a checkpoint")
	}
	if _, err := s.SetSyncNames(bound(t), nil); err == nil {
		t.Error("what is down took names")
	}
	must(t, "start again", s.Start(bound(t), cluster.StartOptions{}))
	has(t, s, 1)
}

func killStart(t testing.TB, open func(string) Server) {
	s := bootstrapped(t, open, "a")
	write(t, s, 1)
	up := observe(t, s)
	in := kill(t, s)
	if in.State != cluster.StateCrashed || in.Standby || in.Timeline != 1 || in.SystemID != up.SystemID ||
		in.Control.State != "in production" || in.Control.CheckpointLSN > up.WriteLSN {
		t.Errorf("killed at %v: %+v", up.WriteLSN, in)
	}
	must(t, "kill what is dead", s.Kill())
	must(t, "stop what is dead", s.Stop(bound(t), cluster.StopFast, true, func(cluster.LSN) { t.Error("a stop of a dead server told an end") }))
	if in := observe(t, s); in.State != cluster.StateStopped || in.Control.State != "in production" {
		t.Errorf("killed, then stopped: %+v", in)
	}
	must(t, "start", s.Start(bound(t), cluster.StartOptions{}))
	in = observe(t, s)
	if !in.Ready || in.Standby || in.Timeline != 1 || in.WriteLSN < up.WriteLSN || in.State != cluster.StateRunning {
		t.Errorf("started again: %+v", in)
	}
	has(t, s, 1)
	write(t, s, 2)
	must(t, "stop at once", s.Stop(bound(t), cluster.StopImmediate, false, func(cluster.LSN) { t.Error("an immediate stop told an end") }))
	if in := observe(t, s); in.State != cluster.StateStopped || in.Running || in.Control.State != "in production" {
		t.Errorf("stopped at once: %+v", in)
	}
	must(t, "start", s.Start(bound(t), cluster.StartOptions{}))
	has(t, s, 2)
}

func promotes(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	b := standbyOf(t, open, a, "b")
	write(t, a, 1)
	end := stop(t, a)
	must(t, "promote", b.Promote(bound(t)))
	in := observe(t, b)
	if !in.Ready || in.Standby || in.Timeline != 2 || in.WriteLSN < end || in.State != cluster.StateRunning || in.ReplicationState != "" {
		t.Errorf("promoted: %+v", in)
	}
	has(t, b, 1)
	write(t, b, 2)
	if from := a.Upstream(); !b.Wants(&from) || !b.Wants(nil) {
		t.Error("a primary is a standby of somebody")
	}
	h, err := b.TimelineHistory(bound(t))
	if err != nil || len(h) != 1 || h[0].Timeline != 1 || h[0].LSN != end {
		t.Errorf("history: %v, %v; the log of timeline 1 ended at %v", h, err, end)
	}
	if in := observe(t, b); !in.History.SameForks(h) {
		t.Errorf("the status shows history %v, the file %v", in.History, h)
	}
	must(t, "promote a primary", b.Promote(bound(t)))
	must(t, "checkpoint", b.Checkpoint(bound(t)))
	if in := observe(t, b); in.CheckpointTimeline != 2 {
		t.Errorf("after a checkpoint: %+v", in)
	}
	stop(t, b)
	if in := observe(t, b); in.Timeline != 2 || in.Standby || in.Control.State != "shut down" || in.Control.Timeline != 2 {
		t.Errorf("promoted, then stopped: %+v", in)
	}
	must(t, "start", b.Start(bound(t), cluster.StartOptions{}))
	if in := observe(t, b); in.Timeline != 2 || in.Standby {
		t.Errorf("promoted, then restarted: %+v", in)
	}
	// What stopped in order is a standby of its successor without more ado.
	verdict(t, a, b, cluster.DivergenceNone)
	startStandby(t, a, b)
	write(t, b, 3)
	has(t, a, 3)
	if in := observe(t, a); in.Timeline != 2 || !in.History.SameForks(h) {
		t.Errorf("a standby of timeline 2, which began %v: %+v", h, in)
	}
	verdict(t, a, b, cluster.DivergenceNone)
}
