package contract

import (
	"context"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func streams(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	write(t, a, 1)
	b := open("b")
	allow(t, a, b)
	must(t, "clone", b.Clone(bound(t), a.Upstream()))
	if in := observe(t, b); in.DataEmpty || in.State != cluster.StateStopped || in.SystemID != observe(t, a).SystemID || in.Timeline != 1 {
		t.Errorf("a copy: %+v", in)
	}
	verdict(t, b, a, cluster.DivergenceNone)
	startStandby(t, b, a)
	has(t, b, 1)
	write(t, a, 2)
	caughtUp(t, b, a)
	has(t, b, 2)
	if b.Write(bound(t), 3) == nil {
		t.Error("a standby took a write")
	}
	in := observe(t, b)
	if in.State != cluster.StateRunning || in.Timeline != 1 || in.Position() < observe(t, a).WriteLSN {
		t.Errorf("a standby: %+v", in)
	}
	eventually(t, "the primary has one sender", func() bool {
		list := observe(t, a).Replication
		return len(list) == 1 && list[0].ApplicationName == "b" && list[0].State == "streaming" && list[0].SyncState == "async" &&
			list[0].SyncPriority == 0 && list[0].FlushLSN >= in.ReceiveLSN
	})
	end := stop(t, a)
	if in := observe(t, b); in.Position() != end || !in.Ready {
		t.Errorf("the log ended at %v: %+v", end, in)
	}
	eventually(t, "it does not stream", func() bool {
		in := observe(t, b)
		return in.ReplicationState == "" && in.UpstreamHost == "" && in.UpstreamPort == 0
	})
	stop(t, b)
	down := observe(t, b)
	if down.State != cluster.StateStopped || !down.Standby || down.Control.State != "shut down in recovery" || down.Timeline != 1 {
		t.Errorf("a stopped standby: %+v", down)
	}
	must(t, "start", a.Start(bound(t), cluster.StartOptions{}))
	startStandby(t, b, a)
	down = kill(t, b)
	if down.State != cluster.StateCrashed || !down.Standby || down.Control.State != "in archive recovery" ||
		down.Control.MinRecoveryTLI != 1 || down.Control.MinRecoveryLSN == 0 {
		t.Errorf("a killed standby: %+v", down)
	}
	verdict(t, b, a, cluster.DivergenceNone)
	write(t, a, 4)
	startStandby(t, b, a)
	has(t, b, 4)
}

func follows(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	b, c := standbyOf(t, open, a, "b"), standbyOf(t, open, a, "c")
	first, second := a.Upstream(), b.Upstream()
	if c.Wants(&first) || !c.Wants(&second) || !c.Wants(nil) {
		t.Error("it does not know whom it follows")
	}
	allow(t, b, c)
	must(t, "follow", c.Follow(bound(t), &second))
	if !c.Wants(&first) || c.Wants(&second) || !c.Wants(nil) {
		t.Error("it does not know whom it follows now")
	}
	streamsFrom(t, c, b)
	write(t, a, 1)
	has(t, c, 1)
	must(t, "follow nobody", c.Follow(bound(t), nil))
	if c.Wants(nil) || !c.Wants(&second) {
		t.Error("it does not know that it follows nobody")
	}
	eventually(t, "it streams no more", func() bool { return observe(t, c).ReplicationState == "" })
	write(t, a, 2)
	has(t, b, 2)
	if there, err := c.Has(bound(t), 2); there || err != nil {
		t.Errorf("who follows nobody has what was written then: %v, %v", there, err)
	}
	kill(t, a)
	must(t, "promote", b.Promote(bound(t)))
	write(t, b, 3)
	must(t, "follow", c.Follow(bound(t), &second))
	streamsFrom(t, c, b)
	has(t, c, 3)
	eventually(t, "it is on the new timeline", func() bool { return observe(t, c).Timeline == 2 })
	must(t, "follow nobody", c.Follow(bound(t), nil))
	eventually(t, "it streams no more", func() bool { return observe(t, c).ReplicationState == "" })
	if in := observe(t, c); in.Timeline != 2 {
		t.Errorf("who follows nobody went back from timeline 2: %+v", in)
	}
}

func names(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	b, c := standbyOf(t, open, a, "b"), standbyOf(t, open, a, "c")
	states(t, a, "async", "async")
	set(t, a, cluster.NamesOf(true, 1, []string{"b", "c"}))
	states(t, a, "quorum", "quorum")
	set(t, a, cluster.NamesOf(false, 1, []string{"c", "b"}))
	states(t, a, "sync", "potential")
	at := set(t, a, cluster.NamesOf(false, 1, []string{"b"}))
	states(t, a, "sync", "async")
	eventually(t, "the standby reaches the baseline", func() bool {
		in := observe(t, a)
		return len(in.Replication) == 2 && in.Replication[0].FlushLSN >= at && in.Replication[1].FlushLSN >= at
	})
	write(t, a, 1)

	stop(t, b)
	done := waits(t, a, c, 2)
	startStandby(t, b, a)
	must(t, "a write that its standby confirmed late", <-done)

	set(t, a, cluster.Blocking(true))
	done = waits(t, a, c, 3)
	if _, err := a.SetSyncNames(bound(t), nil); err != nil {
		t.Fatalf("set no names: %v", err)
	}
	must(t, "a write that nobody had to confirm any more", <-done)
	if in := observe(t, a); in.SyncNames != "" || in.SyncManaged {
		t.Errorf("with no names: %+v", in)
	}

	// Names outlive restarts and promotions, and can be set before.
	set(t, a, cluster.NamesOf(false, 1, []string{"b"}))
	stop(t, a)
	must(t, "start", a.Start(bound(t), cluster.StartOptions{}))
	if in := observe(t, a); in.SyncNames != "b" || !in.SyncManaged {
		t.Errorf("names after a restart: %+v", in)
	}
	streamsFrom(t, b, a)
	if at := set(t, b, cluster.Blocking(false)); at != 0 {
		t.Errorf("baseline on a standby: %v", at)
	}
	kill(t, a)
	must(t, "promote", b.Promote(bound(t)))
	if in := observe(t, b); in.Standby || in.SyncNames != cluster.NoStandby || !in.SyncManaged {
		t.Errorf("names after a promotion: %+v", in)
	}
}

// set sets the names and looks whether they are in force. Every set on a
// primary gives a later baseline.
func set(t testing.TB, s Server, n cluster.SyncNames) cluster.LSN {
	t.Helper()
	before := observe(t, s)
	at, err := s.SetSyncNames(bound(t), &n)
	must(t, "set synchronous names", err)
	in := observe(t, s)
	if in.SyncNames != n.String() || !in.SyncManaged {
		t.Errorf("names: got %q, managed %v, want %q", in.SyncNames, in.SyncManaged, n)
	}
	if before.Primary() && (at < before.WriteLSN || in.WriteLSN <= at) {
		t.Errorf("the log was at %v, the baseline is %v, the log is at %v", before.WriteLSN, at, in.WriteLSN)
	}
	return at
}

// states waits until the standbys b and c of s are in these sync states.
func states(t testing.TB, s Server, b, c string) {
	t.Helper()
	want := map[string]string{"b": b, "c": c}
	eventually(t, "b is "+b+", c is "+c, func() bool {
		list := observe(t, s).Replication
		if len(list) != len(want) {
			return false
		}
		for _, w := range list {
			if want[w.ApplicationName] != w.SyncState || (w.SyncPriority == 0) != (w.SyncState == "async") {
				return false
			}
		}
		return true
	})
}

// waits begins a write, sees it on a standby that need not confirm it, and
// that it is not confirmed then; the channel tells when it is.
func waits(t testing.TB, s, witness Server, key int) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(bound(t))
	done, over := make(chan error, 1), make(chan struct{})
	go func() {
		done <- s.Write(ctx, key)
		close(over)
	}()
	t.Cleanup(func() { cancel(); <-over })
	has(t, witness, key)
	select {
	case err := <-done:
		t.Fatalf("a write did not wait for a standby: %v", err)
	default:
	}
	return done
}
