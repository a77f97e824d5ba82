package decide

import (
	"fmt"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// adoptGrace is how long a running primary that a new agent found may go on
// before its lease is proven: connecting and one write take milliseconds.
const adoptGrace = time.Second

// inheritGrace is how long a running primary may go on while a new agent takes
// over the lock of the one before it: connecting and a few requests.
const inheritGrace = 3 * time.Second

func identityRules() []Rule {
	return []Rule{
		{
			Name: "foreign-data",
			Doc:  "The data directory has another system identifier than the cluster: the agent ends and leaves it alone.",
			When: func(v *View) bool { return v.foreign() && !v.Settings.Pause },
			Then: func(v *View) Decision { return Decision{Verb: Exit, Reason: mismatch(v)} },
		},
	}
}

// foreign reports that the data belong to another cluster.
func (v *View) foreign() bool {
	id := v.Cluster.SystemID()
	return id != "" && v.Instance.SystemID != "" && id != v.Instance.SystemID
}

func mismatch(v *View) string {
	return fmt.Sprintf("system ID mismatch, node %s belongs to a different cluster: %s != %s", v.Self, v.Cluster.SystemID(), v.Instance.SystemID)
}

func jobRules() []Rule {
	return []Rule{
		{
			Name: "job-lost-lease",
			Doc:  "A start or promotion that needs the lease goes on after the lease is over: it is cancelled and PostgreSQL is stopped.",
			When: func(v *View) bool { return v.Job != nil && v.Job.Primary && !v.holds() && !v.Settings.Pause },
			Then: func(v *View) Decision {
				return Decision{Verb: Abort, Immediate: true, Reason: "the lease ended during " + v.Job.Kind}
			},
		},
		{
			Name: "bootstrap-interrupted",
			Doc:  "This node was cut off while it made the cluster: what it has is put aside, and the race is opened again.",
			When: func(v *View) bool {
				return v.Interrupted && v.Job == nil && v.readable() && v.Cluster.Initialize != nil && v.Cluster.SystemID() == ""
			},
			Then: func(*View) Decision {
				return Decision{Verb: UndoBootstrap, Reason: "the bootstrap of this node was interrupted"}
			},
		},
		{
			Name: "job-stopping",
			Doc:  "PostgreSQL is being stopped already.",
			When: func(v *View) bool { return v.Job != nil && v.Job.Stopping },
			Then: jobInProgress,
		},
	}
}

func busyRules() []Rule {
	return []Rule{
		{
			Name: "job",
			Doc:  "Long work is under way and may go on.",
			When: func(v *View) bool { return v.Job != nil },
			Then: jobInProgress,
		},
	}
}

func jobInProgress(v *View) Decision {
	return wait(fmt.Sprintf("%s in progress for %v", v.Job.Kind, v.Now.Sub(v.Job.Since).Round(time.Second)))
}

func safetyRules() []Rule {
	return []Rule{
		{
			Name: "adopted-unproven",
			Doc:  "A new agent found a running primary and has not yet heard from the store whether the old session still holds the lock.",
			When: func(v *View) bool {
				return v.exposed() && v.Adopted && !v.readable() &&
					v.Now.Before(max(v.Started.Add(adoptGrace), v.AdoptedUntil.Add(-lease.StopBudget(0))))
			},
			Then: func(*View) Decision {
				return Decision{Verb: Wait, Again: 50 * time.Millisecond, Reason: "waiting for the store to prove the lease of the adopted primary"}
			},
		},
		{
			Name: "adopted-reclaim",
			Doc:  "A new agent found a running primary, nobody holds the lock and nobody else is primary: it takes the lock back.",
			When: func(v *View) bool {
				return v.exposed() && v.Adopted && v.Instance.Ready && !v.Lease.Held() && v.unlocked() && !v.promised() &&
					(!v.synchronous() || strings.EqualFold(v.Cluster.Sync.Leader, v.Self)) &&
					v.Instance.Timeline >= v.Cluster.History.ClusterTimeline()
			},
			Then: reclaim,
		},
		{
			Name: "adopted-inherit",
			Doc:  "A new agent found a running primary, and the lock is still held by the session of the dead agent before it: it takes the lock over.",
			When: func(v *View) bool {
				return v.exposed() && v.Adopted && v.inheritable() && v.Now.Before(v.Started.Add(inheritGrace))
			},
			Then: inherit,
		},
		{
			Name: "primary-without-lease",
			Doc:  "PostgreSQL is writable and the lease is over or was never had: it is stopped and comes back read-only.",
			When: (*View).exposed,
			Then: func(v *View) Decision {
				switch {
				case v.StoreErr != "":
					return Decision{Verb: Demote, Reason: "the lease runs out and the store does not answer: " + v.StoreErr}
				case v.leader() != "":
					// In a standby cluster nobody else writes: there is time for an
					// orderly stop, which needs no rewind.
					return Decision{Verb: Demote, Immediate: !v.standbyCluster(), Reason: fmt.Sprintf("running as primary without the lease; the leader lock is held by %s", v.leader())}
				}
				return Decision{Verb: Demote, Immediate: !v.standbyCluster(), Reason: "running as primary without the lease; nobody holds the leader lock"}
			},
		},
	}
}

// exposed reports that PostgreSQL may accept writes without a lease, outside
// of pause.
func (v *View) exposed() bool {
	return v.Instance.Primary() && !v.holds() && !v.Settings.Pause
}

// reclaim takes the lock back for a primary that was running all along,
// unless somebody else became primary meanwhile.
func reclaim(v *View) Decision {
	if v.Peers == nil {
		return Decision{Verb: AskPeers, Reason: "nobody holds the lock and this node runs as primary"}
	}
	for _, p := range v.Peers {
		switch {
		case p.Reachable && p.Primary:
			return Decision{Verb: Demote, Immediate: true, Reason: fmt.Sprintf("%s runs as primary too and nobody holds the lock", p.Name)}
		case p.Reachable && p.Timeline > v.Instance.Timeline:
			return Decision{Verb: Demote, Immediate: true, Reason: fmt.Sprintf("%s is on timeline %d: somebody else has led since", p.Name, p.Timeline)}
		}
	}
	return Decision{Verb: Acquire, Reason: "nobody holds the lock and this node runs as the only primary on the newest timeline"}
}

// inheritable reports that the former agent's session still holds the lock for
// the PostgreSQL that answers here, so that nobody else can have led since, and
// that this node has not promised another one not to lead.
func (v *View) inheritable() bool {
	return v.readable() && v.Former != 0 && v.Cluster.Leader != nil && v.leader() == v.Self && v.Cluster.Leader.Session == v.Former &&
		!v.promised() && !v.Lease.Held() && v.Instance.Ready && v.Instance.Timeline >= v.Cluster.History.ClusterTimeline()
}

func inherit(*View) Decision {
	return Decision{Verb: Acquire, Reason: "the lock is held by the session of the agent before this one, which is gone"}
}
