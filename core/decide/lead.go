package decide

import (
	"fmt"
	"time"
)

func leaderRules() []Rule {
	leading := func(v *View) bool { return v.holds() && v.Instance.Primary() }
	return []Rule{
		{
			Name: "restart",
			Doc:  "An operator asked for a restart.",
			When: func(v *View) bool { return v.Restart && v.Instance.Running },
			Then: func(*View) Decision { return Decision{Verb: Restart, Reason: "restart requested"} },
		},
		{
			Name: "promote-failed-request",
			Doc:  "This node took the lock for a requested switchover and could not be promoted: the request is dropped, so that it does not name this node again.",
			When: func(v *View) bool {
				f, ok := v.request()
				return v.holds() && v.standby() && v.PromoteFailed && ok && f.Leader != v.Self
			},
			Then: func(v *View) Decision {
				return Decision{Verb: ClearFailover, Reason: "the promotion failed: " + v.LastError}
			},
		},
		{
			Name: "promote-failed",
			Doc:  "This node took the lock and could not be promoted: somebody else gets the chance, or it tries again.",
			When: func(v *View) bool { return v.holds() && v.standby() && v.PromoteFailed && !v.standbyCluster() },
			Then: func(v *View) Decision {
				return giveWay(v, Decision{Verb: Promote, Reason: "promotion failed and nobody else can take over"})
			},
		},
		{
			Name: "leader-start-timeout",
			Doc:  "The leader's PostgreSQL was started and did not come up within primary_start_timeout.",
			When: func(v *View) bool { return v.holds() && v.Instance.Running && !v.Instance.Ready && v.StartFailed },
			Then: func(v *View) Decision { return giveWay(v, wait("the start takes long and nobody else can take over")) },
		},
		{
			Name: "promote-unread",
			Doc:  "A new agent resumed the lock for a standby and has not read the store yet: what guards the commits of the next primary is not known.",
			When: func(v *View) bool { return v.holds() && v.standby() && v.Cluster == nil },
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: 100 * time.Millisecond, Reason: "holds the lock; waiting for ZooKeeper: " + v.StoreErr}
			},
		},
		{
			Name: "promote",
			Doc:  "This node holds the lock and is in recovery: promote.",
			When: func(v *View) bool { return v.holds() && v.standby() && !v.standbyCluster() },
			Then: func(v *View) Decision {
				return Decision{Verb: Promote, Reason: "holds the leader lock of epoch " + fmt.Sprint(int64(v.Lease.Epoch))}
			},
		},
		{
			Name: "lead",
			Doc:  "This node is the leader: it goes on and does the leader's housekeeping.",
			When: leading,
			Then: func(v *View) Decision {
				if v.StoreErr != "" {
					return Decision{Verb: Wait, Again: v.Lease.Remaining(v.Now), Reason: "leader; the store does not answer, the lease holds for " + v.Lease.Remaining(v.Now).Round(100*time.Millisecond).String()}
				}
				if NextSync(v).Verb == SyncWait {
					return Decision{Verb: Lead, Again: syncAgain, Reason: "I am " + v.Self + ", the leader with the lock"}
				}
				return Decision{Verb: Lead, Reason: "I am " + v.Self + ", the leader with the lock"}
			},
		},
		{
			Name: "leader-starting",
			Doc:  "The lock holder's PostgreSQL runs but does not answer yet.",
			When: func(v *View) bool { return v.Lease.Held() },
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: 200 * time.Millisecond, Reason: "holds the lock; PostgreSQL does not answer yet: " + v.Instance.Err}
			},
		},
	}
}
