package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Promise is this node's word to a leader that lost the store: until then it
// neither takes the lock nor becomes primary. The zero value is none.
type Promise struct {
	// To is the name of that leader.
	To string
	// Epoch is of its leadership, as last known here; 0 if unknown.
	Epoch cluster.Epoch
	// Until is when the promise ends.
	Until lease.Instant
	// ConnURL is where that leader accepts connections, as it said itself; ""
	// if it did not.
	ConnURL string
}

// Carried reports whether the promises of all other members carry this node's
// lease on: the store is silent, or shows the very leader znode of the lease.
func (v *View) Carried() bool {
	return v.Failsafe.Carries(v.Lease, v.Now) && !v.Instance.Standby && !v.Settings.Pause && v.Settings.FailsafeMode &&
		(!v.readable() || (v.Cluster.Leader != nil && v.Cluster.Leader.Epoch == v.Lease.Epoch))
}

// promised reports that this node's word not to lead still holds. It does not
// once that leader has released the lock in order.
func (v *View) promised() bool {
	if !v.Now.Before(v.Promise.Until) {
		return false
	}
	released := v.Promise.Epoch != 0 && v.readable() && v.Cluster.Status.Released == v.Promise.Epoch
	return !released
}

// promisedTo is the server of the leader that goes on by this node's promise,
// while the store names none; nil if there is none.
func (v *View) promisedTo() *cluster.Upstream {
	if !v.promised() || v.readable() && v.Cluster.Leader != nil {
		return nil
	}
	return upstream(&cluster.Member{Name: v.Promise.To, Data: cluster.MemberData{ConnURL: v.Promise.ConnURL}})
}

// unlisted reports that the last leader did not know this node when it noted
// whom it has to ask: it may be primary without this node's promise.
func (v *View) unlisted() bool { return v.leavesOut(v.Self) }

// leavesOut reports that the failsafe key does not list a member, which may not
// lead then.
func (v *View) leavesOut(name string) bool { return v.lists() && v.Cluster.Failsafe[name] == "" }

// lists reports that the last leader noted whom it has to ask: nobody else may
// lead.
func (v *View) lists() bool {
	return v.Settings.FailsafeMode && v.Cluster != nil && len(v.Cluster.Failsafe) > 0
}

func failsafeRules() []Rule {
	return []Rule{
		{
			Name: "failsafe-lead",
			Doc:  "ZooKeeper does not answer, and all members have promised the leader not to race (failsafe_mode): it goes on.",
			When: func(v *View) bool {
				return !v.Lease.Valid(v.Now) && v.Carried() && v.Instance.Primary()
			},
			Then: func(v *View) Decision {
				left := v.Failsafe.Soft().Sub(v.Now)
				return Decision{Verb: Wait, Again: max(left/2, 50*time.Millisecond), Reason: fmt.Sprintf(
					"leader without ZooKeeper: the members %s have agreed, for %v", strings.Join(otherNames(v), ", "), left.Round(100*time.Millisecond))}
			},
		},
		{
			Name: "failsafe-follow",
			Doc:  "The standby does not follow the leader that goes on without ZooKeeper by this node's promise: it is pointed at it.",
			When: func(v *View) bool {
				return v.promisedTo() != nil && v.standby() && !v.Lease.Held() && !v.Settings.Pause && !v.FollowsTarget && Target(v) != nil && v.Now >= v.Backoff
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Follow, Upstream: Target(v), Reason: "promised " + v.Promise.To + ", which leads without ZooKeeper, not to lead"}
			},
		},
		{
			Name: "failsafe-promised",
			Doc:  "This node has promised a leader that lost ZooKeeper not to lead, and keeps the promise.",
			When: func(v *View) bool {
				return v.promised() && ((v.unlocked() && !v.down()) || (v.Lease.Held() && !v.Instance.Primary()))
			},
			Then: func(v *View) Decision {
				left := v.Promise.Until.Sub(v.Now)
				return Decision{Verb: Wait, Again: min(left, time.Second), Reason: fmt.Sprintf(
					"promised %s not to lead, for another %v", v.Promise.To, left.Round(100*time.Millisecond))}
			},
		},
		{
			Name: "failsafe-unlisted",
			Doc:  "The lock is free, but this node is not in the failsafe key: the last leader may go on without asking it.",
			When: func(v *View) bool {
				return v.unlocked() && v.standby() && v.unlisted() && !v.Settings.Pause
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: raceAgain, Reason: "the last leader did not list me among the members of the failsafe key"}
			},
		},
	}
}

// otherNames are the members of the failsafe key but this one.
func otherNames(v *View) []string {
	var names []string
	if v.Cluster != nil {
		for name := range v.Cluster.Failsafe {
			if name != v.Self {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
