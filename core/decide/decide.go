package decide

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Verb is what the agent is to do.
type Verb string

// The verbs. All but Wait, AskPeers and Lead are effects that the loop logs.
const (
	Wait            Verb = "wait"             // nothing but publish
	Exit            Verb = "exit"             // end the agent, leave PostgreSQL alone
	AskPeers        Verb = "ask-peers"        // ask the other members, then decide again
	Bootstrap       Verb = "bootstrap"        // job: make a new cluster
	UndoBootstrap   Verb = "undo-bootstrap"   // job: put the unfinished cluster aside
	ClearInitialize Verb = "clear-initialize" // remove the key of a bootstrap that nobody goes on with
	Clone           Verb = "clone"            // job: copy Upstream into the empty data directory
	Reclone         Verb = "reclone"          // job: stop, remove the data, copy Upstream
	StartPrimary    Verb = "start-primary"    // job: start as primary under the held lease
	StartStandby    Verb = "start-standby"    // job: start in recovery, following Upstream
	Follow          Verb = "follow"           // job: point the running standby at Upstream
	CheckDivergence Verb = "check-divergence" // job: compare the log with Upstream's history
	Rewind          Verb = "rewind"           // job: stop and run pg_rewind from Upstream
	Acquire         Verb = "acquire"          // create the leader znode
	Promote         Verb = "promote"          // job: promote under the held lease
	Lead            Verb = "lead"             // go on as leader, do its housekeeping
	HandOver        Verb = "hand-over"        // job: stop in order, release the lock
	Release         Verb = "release"          // kill what is left of PostgreSQL, release the lock
	Demote          Verb = "demote"           // job: stop now, come back read-only
	Abort           Verb = "abort"            // cancel the job, then stop now
	ClearFailover   Verb = "clear-failover"   // blank the refused request
	Restart         Verb = "restart"          // job: restart on request
	CopySlots       Verb = "copy-slots"       // job: copy logical slots from Upstream, restart
	Unschedule      Verb = "unschedule"       // drop the scheduled restart
	DemoteCluster   Verb = "demote-cluster"   // job: stop in order and archive, keeping the lock
	StepDown        Verb = "step-down"        // release the lock of a standby cluster, leave PostgreSQL alone
)

// Decision is what to do, and why.
type Decision struct {
	Verb Verb
	// Rule is the name of the rule that matched.
	Rule string
	// Reason is one sentence with the facts that it rested on.
	Reason string
	// Upstream is for Clone, Reclone, StartStandby, Follow,
	// CheckDivergence, Rewind and CopySlots; nil means nobody.
	Upstream *cluster.Upstream
	// Candidate is for HandOver: the member that should take over.
	Candidate string
	// Immediate is for Demote: somebody else may lead, do not wait for an
	// orderly stop.
	Immediate bool
	// Again is when to look again at the latest without any event; 0: at the
	// next tick.
	Again time.Duration
}

// Rule is one row of the table. When and Then are pure: they change nothing of
// the View, which is a pointer only because it is large.
type Rule struct {
	Name string
	// Doc is one sentence for the operator's table.
	Doc  string
	When func(*View) bool
	Then func(*View) Decision
}

// Decide returns the decision of the first rule that matches.
func Decide(v *View) Decision {
	for _, g := range table {
		if !g.scope.holds(v) {
			continue
		}
		for i := range g.rules {
			if r := &g.rules[i]; r.When(v) {
				d := r.Then(v)
				d.Rule = r.Name
				return d
			}
		}
	}
	return Decision{Verb: Wait, Rule: "none", Reason: "no rule matches"} // the table ends with a rule that always matches
}

// wait is a decision to do nothing, for that reason.
func wait(reason string) Decision { return Decision{Verb: Wait, Reason: reason} }
