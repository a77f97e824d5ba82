package decide

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// carry gives v a lease that is over and promises that were asked for that
// long ago; they are of 30 s, so the soft deadline is 24.1 s after that.
func carry(v *View, ago time.Duration) {
	v.Settings.FailsafeMode = true
	v.Cluster.Failsafe = map[string]string{"a": "u", "b": "u", "c": "u"}
	v.Lease, v.StoreErr = proven(25*time.Second), "silent"
	v.Failsafe = lease.NewFailsafe(v.Lease.Epoch, v.Now.Add(-ago), 30*time.Second, nil)
}

func promise(v *View, left time.Duration) {
	v.Settings.FailsafeMode = true
	v.Promise = Promise{To: "b", Epoch: 8, Until: v.Now.Add(left)}
}

func failsafeCases() []testCase {
	return []testCase{
		{"store silent, all have promised", healthy, func(v *View) { carry(v, time.Second) }, Wait, "failsafe-lead", "members b, c"},
		{"all have promised, one moment before the end", healthy, func(v *View) { carry(v, 24099*time.Millisecond) }, Wait, "failsafe-lead", ""},
		{"all have promised, at the end", healthy, func(v *View) { carry(v, 24100*time.Millisecond) }, Demote, "primary-without-lease", "silent"},
		{"the promises are for another epoch", healthy, func(v *View) { carry(v, time.Second); v.Failsafe.Epoch++ }, Demote, "primary-without-lease", ""},
		{"the session is known to be over", healthy, func(v *View) { carry(v, time.Second); v.Lease = lease.Lease{} }, Demote, "primary-without-lease", ""},
		{"the store answers: the znode is still ours", healthy, func(v *View) { carry(v, time.Second); v.StoreErr = "" }, Wait, "failsafe-lead", ""},
		{"the store answers: nobody leads", healthy, func(v *View) { carry(v, time.Second); v.StoreErr = ""; free(v) }, Demote, "primary-without-lease", "nobody"},
		{"the store answers: another leads", healthy, func(v *View) {
			carry(v, time.Second)
			v.StoreErr, v.Cluster.Leader = "", &cluster.Leader{Name: "b", Session: 2, Epoch: 8}
		}, Demote, "primary-without-lease", "held by b"},
		{"failsafe_mode was switched off", healthy, func(v *View) { carry(v, time.Second); v.Settings.FailsafeMode = false }, Demote, "primary-without-lease", ""},
		{"crashed leader under promises restarts in place", healthy, func(v *View) { carry(v, time.Second); down(v) }, StartPrimary, "leader-crashed-restart", ""},
		{"a standby is not promoted under promises", healthy, func(v *View) { carry(v, time.Second); v.Instance.Standby = true }, Wait, "lease-unproven", ""},
		{"renewed in time: leads", healthy, func(v *View) { carry(v, time.Second); v.Lease, v.StoreErr = proven(0), "" }, Lead, "lead", ""},

		{"lock free, promised", standbyOf, func(v *View) { free(v); promise(v, 1) }, Wait, "failsafe-promised", "b"},
		{"lock free, the promise is over", standbyOf, func(v *View) { free(v); promise(v, 0) }, AskPeers, "race-ask", ""},
		{"lock free, promised, but that leader has released it", standbyOf, func(v *View) { free(v); promise(v, time.Second); v.Cluster.Status.Released = 8 }, AskPeers, "race-ask", ""},
		{"lock free, promised, an older leader had released it", standbyOf, func(v *View) { free(v); promise(v, time.Second); v.Cluster.Status.Released = 7 }, Wait, "failsafe-promised", ""},
		{"lock free, candidate, promised", standbyOf, func(v *View) { free(v); promise(v, time.Second); v.Cluster.Failover = cluster.Failover{Candidate: "a"} }, Wait, "failsafe-promised", ""},
		{"lock got by a lost answer, promised", standbyOf, func(v *View) { promise(v, time.Second); v.Lease = proven(0) }, Wait, "failsafe-promised", ""},
		{"down, lock free, promised: starts read-only", standbyOf, func(v *View) { down(v); free(v); promise(v, time.Second) }, StartStandby, "start-standby", ""},
		{"promised, follows another: is pointed at the leader", standbyOf, func(v *View) {
			free(v)
			promise(v, time.Second)
			v.FollowsTarget, v.Promise.ConnURL = false, "postgres://10.0.0.2:5433/postgres"
		}, Follow, "failsafe-follow", "promised b"},
		{"promised by a new agent that has not read the store", standbyOf, func(v *View) {
			promise(v, time.Second)
			v.Cluster, v.StoreErr, v.FollowsTarget, v.Promise.ConnURL = nil, "silent", false, "postgres://10.0.0.2:5433/postgres"
		}, Follow, "failsafe-follow", "promised b"},
		{"promised a leader that did not say where it is", standbyOf, func(v *View) {
			free(v)
			promise(v, time.Second)
			v.FollowsTarget = false
		}, Wait, "failsafe-promised", ""},
		{"follows as usual with a promise", standbyOf, func(v *View) { promise(v, time.Second); v.FollowsTarget = false }, Follow, "follow", ""},
		{"adopted primary that had promised", healthy, func(v *View) { v.Lease, v.Adopted = lease.Lease{}, true; free(v); promise(v, time.Second) }, Demote, "primary-without-lease", ""},

		{"lock free, not in the failsafe key", standbyOf, func(v *View) {
			free(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"b": "u"}
		}, Wait, "failsafe-unlisted", ""},
		{"lock free, a peer that is not in the failsafe key is ahead", standbyOf, func(v *View) {
			free(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"a": "u", "b": "u"}
			v.Peers = []Peer{peer("c", 5001)}
		}, Acquire, "race", ""},
		{"lock free, a peer of the failsafe key is ahead", standbyOf, func(v *View) {
			free(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"a": "u", "b": "u", "c": "u"}
			v.Peers = []Peer{peer("c", 5001)}
		}, Wait, "race", "ahead"},
		{"lock free, not in the key, but failsafe_mode is off", standbyOf, func(v *View) { free(v); v.Cluster.Failsafe = map[string]string{"b": "u"} }, AskPeers, "race-ask", ""},
		{"lock free, the failsafe key is empty", standbyOf, func(v *View) { free(v); v.Settings.FailsafeMode = true }, AskPeers, "race-ask", ""},
	}
}

// anyFailsafeView adds promises, given and received, to any view.
func anyFailsafeView(t *rapid.T) View {
	v := anyView(t)
	ms := func(name string, lo, hi int) time.Duration {
		return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Millisecond
	}
	v.Settings.FailsafeMode = rapid.Bool().Draw(t, "failsafe mode")
	if rapid.Bool().Draw(t, "asked") {
		epoch := cluster.Epoch(rapid.SampledFrom([]int64{7, 8}).Draw(t, "failsafe epoch"))
		v.Failsafe = lease.NewFailsafe(epoch, v.Now.Add(-ms("asked ms ago", 0, 40_000)), 30*time.Second, nil)
	}
	if rapid.Bool().Draw(t, "promised") {
		promise(&v, ms("promise ms left", 0, 30_000))
	}
	return v
}

func TestNobodyStaysPrimaryWhenTheFailsafeLeaseIsOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyFailsafeView(t)
		over := !v.Failsafe.Carries(v.Lease, v.Now) || (v.readable() && (v.Cluster.Leader == nil || v.Cluster.Leader.Epoch != v.Lease.Epoch))
		busy := v.Job != nil && (v.Job.Stopping || v.Job.Primary)
		if v.Lease.Valid(v.Now) || !over || !v.Instance.Primary() || v.Adopted || busy {
			return
		}
		if d := Decide(&v); d.Verb != Demote {
			t.Fatalf("%s by %q leaves a writable server without any lease", d.Verb, d.Rule)
		}
	})
}

func TestNobodyIsPromotedByPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyFailsafeView(t)
		switch d := Decide(&v); d.Verb {
		case Promote, Lead, HandOver:
			if !v.Lease.Valid(v.Now) && !v.Settings.Pause {
				t.Fatalf("%s by %q without a valid lease", d.Verb, d.Rule)
			}
		case StartPrimary:
			if !v.holds() {
				t.Fatalf("%s by %q without any lease", d.Verb, d.Rule)
			}
		}
	})
}

func TestAPromiseIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyFailsafeView(t)
		if !v.promised() {
			return
		}
		switch d := Decide(&v); d.Verb {
		case Acquire, Promote, StartPrimary, Bootstrap:
			t.Fatalf("%s by %q in spite of a promise", d.Verb, d.Rule)
		}
	})
}
