package decide

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// anyView draws a View from everything that can go together, and much that
// cannot.
func anyView(t *rapid.T) View {
	v := healthy()
	if rapid.Bool().Draw(t, "standby view") {
		v = standbyOf()
	}
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	switch rapid.IntRange(0, 2).Draw(t, "lease") {
	case 0:
		v.Lease = lease.Lease{}
	case 1:
		v.Lease = proven(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "age ms")) * time.Millisecond)
	}
	if flag("silent") {
		v.StoreErr = "silent"
	}
	if flag("free") {
		free(&v)
	} else if flag("other leader") {
		v.Cluster.Leader = &cluster.Leader{Name: "b", Session: 2, Epoch: 8}
	}
	v.Instance.Running = flag("running")
	v.Instance.Ready = v.Instance.Running && flag("ready")
	v.Instance.Standby = flag("standby")
	v.Instance.DataEmpty = !v.Instance.Running && flag("empty")
	v.Adopted, v.StartFailed, v.Won, v.Restart, v.Reinit = flag("adopted"), flag("start failed"), flag("won"), flag("restart"), flag("reinit")
	v.Started = v.Now.Add(-time.Duration(rapid.IntRange(0, 4000).Draw(t, "started ms")) * time.Millisecond)
	if flag("former") {
		v.Former = 1
	}
	if flag("peers") {
		v.Peers = []Peer{{Name: "b", Reachable: flag("reachable"), Primary: flag("peer primary"), Position: cluster.LSN(rapid.IntRange(0, 9000).Draw(t, "peer position"))}}
	}
	if flag("request") {
		v.Cluster.Failover = cluster.Failover{Leader: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "from"), Candidate: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "to")}
	}
	v.Unfinished, v.RemoteSilent = flag("unfinished"), flag("remote silent")
	if flag("standby cluster") {
		remoteSettings(&v)
	}
	v.Divergence = cluster.Divergence(rapid.IntRange(0, 2).Draw(t, "divergence"))
	if flag("job") {
		v.Job = &Job{Kind: "work", Primary: flag("job primary"), Stopping: flag("job stopping")}
	}
	return v
}

func TestNobodyBecomesOrStaysPrimaryWithoutALease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		d := Decide(&v)
		if v.Lease.Valid(v.Now) {
			return
		}
		switch d.Verb {
		case Lead:
			if v.standbyCluster() && v.Instance.Standby {
				return // it leads nothing writable
			}
			fallthrough
		case StartPrimary, Promote, HandOver, DemoteCluster:
			t.Fatalf("%s by %q without a valid lease", d.Verb, d.Rule)
		}
	})
}

func TestAWritableServerWithoutALeaseIsAlwaysStopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		if !v.exposed() || (v.Job != nil && (v.Job.Stopping || v.Job.Primary)) {
			return
		}
		d := Decide(&v)
		switch {
		case d.Verb == Demote:
		case v.Adopted && (d.Rule == "adopted-reclaim" || d.Rule == "adopted-unproven"):
		case v.Adopted && d.Rule == "adopted-inherit" && v.Now.Sub(v.Started) < inheritGrace && v.Cluster.Leader.Session == v.Former:
		default:
			t.Fatalf("%s by %q leaves a writable server without a lease", d.Verb, d.Rule)
		}
	})
}

func TestWithoutTheStoreNobodyTakesOrGivesAwayTheLock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		v.StoreErr = "silent"
		switch d := Decide(&v); d.Verb {
		case Acquire, Bootstrap, Clone, Rewind, Reclone:
			t.Fatalf("%s by %q without the store", d.Verb, d.Rule)
		}
	})
}

func TestNobodyBecomesPrimaryInAStandbyCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		v.Settings.Pause = rapid.Bool().Draw(t, "pause")
		remoteSettings(&v)
		switch d := Decide(&v); d.Verb {
		case StartPrimary, Promote:
			t.Fatalf("%s by %q in a standby cluster", d.Verb, d.Rule)
		}
	})
}

func TestNothingIsStoppedOrStartedInPause(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		v.Settings.Pause = true
		_, asked := v.request()
		asked = asked || v.Restart || v.Reinit || v.Won
		switch d := Decide(&v); d.Verb {
		case StartPrimary, StartStandby, Promote, HandOver, DemoteCluster, Demote, Restart, Clone, Reclone, Rewind, Bootstrap:
			if !asked && !v.finishing() && d.Rule != "paused-come-back" {
				t.Fatalf("%s by %q in pause, and nobody asked for it", d.Verb, d.Rule)
			}
		}
	})
}

func TestADecisionSaysWhy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if d := Decide(new(anyView(t))); d.Rule == "" || d.Rule == "none" || d.Reason == "" {
			t.Fatalf("decision without rule or reason: %+v", d)
		}
	})
}
