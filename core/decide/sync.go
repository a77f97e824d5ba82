package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// SyncMemory is what the leader's agent remembers of synchronous replication.
// The zero value is that of an agent that has just begun to lead.
type SyncMemory struct {
	// Baseline is a position up to which commits may have been acknowledged
	// under other names than those in force; 0: not known.
	Baseline cluster.LSN
	// Since is when PostgreSQL became primary under this agent.
	Since lease.Instant
}

// SyncVerb is a step of synchronous replication.
type SyncVerb string

// The steps. SyncWait: not done, but there is nothing to do yet.
const (
	SyncDone  SyncVerb = ""
	SyncWait  SyncVerb = "wait"
	SyncNames SyncVerb = "names" // set synchronous_standby_names
	SyncState SyncVerb = "state" // write the sync key
)

// SyncStep is the next change to synchronous replication, and why.
type SyncStep struct {
	Verb SyncVerb
	// Names is for SyncNames; nil: what the configuration says.
	Names *cluster.SyncNames
	// State is for SyncState. Its Version is the condition of the write; of a
	// change of names it is the version of the key that the step rests on.
	State  cluster.SyncState
	Reason string
}

// syncPlan is what NextSync works with.
type syncPlan struct {
	v      *View
	names  cluster.SyncNames
	state  cluster.SyncState
	voters nameSet
	// sound means that the state and the names guard what was acknowledged.
	sound bool
	// active are the standbys that may confirm, the best first.
	active []standby
	target struct {
		names  cluster.SyncNames
		voters nameSet
		quorum int
	}
}

// NextSync is the leader's next step towards the standbys that should confirm
// commits. Each step keeps the promise of the sync key: whoever it allows to
// lead has every acknowledged commit. Two conditions keep it:
//
//   - names change only to such that guard the present key (guarded);
//   - the key changes only to such that the present names guard, and in which
//     at most quorum voters may lack a commit acknowledged under former names.
//
// A step is computed from what is observed, so an interrupted change is
// simply gone on with.
func NextSync(v *View) SyncStep {
	if !v.Settings.Synchronous() {
		return syncOff(v)
	}
	p := newSyncPlan(v)
	if !strings.EqualFold(p.state.Leader, v.Self) {
		return p.claim()
	}
	if !p.sound {
		return p.mend()
	}
	p.aim()
	if step := p.towards(p.target.voters); step.Verb != SyncDone {
		return step
	}
	switch {
	case !p.names.Equal(p.target.names):
		return p.changeNames()
	case p.reached() && p.expecting():
		return SyncStep{Verb: SyncWait, Reason: "waiting for standbys to connect"}
	case p.reached():
		return SyncStep{}
	case v.Sync.Baseline == 0 && len(p.names.Names) > 0:
		return SyncStep{Verb: SyncNames, Names: &p.names, State: p.state, Reason: "to learn since when the names are in force"}
	default:
		return SyncStep{Verb: SyncWait, Reason: "waiting for standbys to catch up before they are listed as synchronous"}
	}
}

func newSyncPlan(v *View) *syncPlan {
	p := &syncPlan{v: v, state: v.Cluster.Sync, voters: setOf(v.Cluster.Sync.Standbys)}
	names, err := cluster.ParseSyncNames(v.Instance.SyncNames)
	if err == nil { // else as if nobody confirmed
		p.names = names
	}
	p.sound = guarded(p.voters, p.state.Quorum, p.names)
	p.active = activeStandbys(v)
	return p
}

// syncOff ends synchronous replication: first the key, so that nobody is
// held to it, then the names.
func syncOff(v *View) SyncStep {
	switch {
	case v.Cluster.Sync.Active():
		return SyncStep{Verb: SyncState, State: cluster.SyncState{Version: v.Cluster.Sync.Version}, Reason: "synchronous_mode is off"}
	case v.Instance.SyncManaged:
		return SyncStep{Verb: SyncNames, Reason: "synchronous_mode is off"}
	}
	return SyncStep{}
}

// claim makes the key this leader's. In quorum mode the former leader becomes
// a voter in exchange for this node: the group and with it the promise stay
// the same. Otherwise nobody else is listed until somebody has confirmed.
func (p *syncPlan) claim() SyncStep {
	voters, quorum := nameSet{}, 0
	if p.state.Active() && p.v.Settings.Quorum() {
		voters = setOf(append(slices.Clone(p.state.Standbys), p.state.Leader))
		delete(voters, strings.ToLower(p.v.Self))
		quorum = p.state.Quorum
		if !guarded(voters, quorum, p.names) {
			quorum = len(voters) - held(voters, p.names)
		}
	}
	return p.write(voters, quorum, "this node leads")
}

// mend writes a key that the names in force guard: somebody changed them.
func (p *syncPlan) mend() SyncStep {
	return p.write(nameSet{}, 0, fmt.Sprintf("synchronous_standby_names %q does not fit the sync key", p.v.Instance.SyncNames))
}

// aim computes the names, voters and quorum to be reached.
func (p *syncPlan) aim() {
	s := p.v.Settings
	picked := p.active
	if !s.Quorum() || s.SynchronousNodeCount >= len(picked) {
		picked = picked[:min(len(picked), s.SynchronousNodeCount)]
	} else { // those that may not lead only fill up
		picked = slices.DeleteFunc(slices.Clone(picked), func(b standby) bool { return b.noFailover })
		picked = p.active[:max(len(picked), s.SynchronousNodeCount)]
	}
	names := make([]string, len(picked))
	for i, b := range picked {
		names[i] = b.name
	}
	t := &p.target
	t.names = cluster.NamesOf(s.Quorum(), min(len(names), s.SynchronousNodeCount), names)
	if len(names) == 0 && s.SynchronousModeStrict {
		t.names = cluster.Blocking(s.Quorum())
	}
	t.voters = setOf(names)
	if !s.Quorum() {
		for name := range t.voters {
			if p.lacks(name) || !p.names.Has(name) {
				delete(t.voters, name)
			}
		}
	}
	t.quorum = len(t.voters) - held(t.voters, t.names)
	if !s.Quorum() {
		t.quorum = 0
	}
}

// towards writes the key with these voters, if the names in force allow it
// with a quorum that is of use.
func (p *syncPlan) towards(voters nameSet) SyncStep {
	quorum := max(0, len(voters)-held(voters, p.names), p.target.quorum)
	if p.lacking(voters) > quorum {
		quorum = p.lacking(voters)
	}
	if !p.v.Settings.Quorum() && quorum > 0 {
		return SyncStep{} // all must confirm: names first
	}
	same := voters.equal(p.voters)
	switch {
	case p.voters.without(voters) > 0 && p.fresh() && len(voters) < p.v.Settings.SynchronousNodeCount:
		return SyncStep{} // they may be on their way
	case same && quorum >= p.state.Quorum:
		return SyncStep{}
	case !same && len(voters) > 0 && quorum >= len(voters):
		return SyncStep{} // nobody could lead: wait for one to confirm
	}
	return p.write(voters, quorum, "standbys that have confirmed")
}

// changeNames sets the names, after the key was made to fit them.
func (p *syncPlan) changeNames() SyncStep {
	t := p.target
	if p.early() {
		return SyncStep{Verb: SyncWait, Reason: "waiting for standbys to come back after the promotion"}
	}
	if guarded(p.voters, p.state.Quorum, t.names) {
		return SyncStep{Verb: SyncNames, Names: &t.names, State: p.state, Reason: p.whyNames()}
	}
	if !p.v.Settings.Quorum() {
		voters := p.common(t.names)
		if !guarded(voters, 0, p.names) || p.lacking(voters) > 0 {
			voters = nameSet{}
		}
		return p.write(voters, 0, "standbys that leave the list are not to be promoted")
	}
	voters := p.voters
	quorum := len(voters) - min(held(voters, p.names), held(voters, t.names))
	if quorum >= len(voters) { // of no use: only those that stay
		voters = p.common(t.names)
		quorum = max(0, len(voters)-min(held(voters, p.names), held(voters, t.names)), p.lacking(voters))
	}
	return p.write(voters, quorum, "before the list of standbys changes")
}

// early reports that fewer confirmations would be asked for soon after the
// promotion: the standbys may be on their way.
func (p *syncPlan) early() bool {
	t := p.target.names
	fewer := confirming(t) < confirming(p.names) && !p.names.Has(cluster.NoStandby) && len(t.Names) < p.v.Settings.SynchronousNodeCount
	return fewer && p.fresh()
}

// fresh reports that this node has been primary for less than loop_wait.
func (p *syncPlan) fresh() bool { return p.v.Now.Before(p.v.Sync.Since.Add(p.v.Settings.LoopWait)) }

// expecting reports that it is worth while to look out for standbys: commits
// wait for one, or they are on their way after a promotion.
func (p *syncPlan) expecting() bool {
	return p.names.Has(cluster.NoStandby) || p.fresh() && len(p.voters) < p.v.Settings.SynchronousNodeCount
}

func (p *syncPlan) whyNames() string {
	if len(p.target.names.Names) == 0 {
		return fmt.Sprintf("no standby can confirm: commits since %v are on this node alone", p.v.Instance.WriteLSN)
	}
	if p.target.names.Has(cluster.NoStandby) {
		return "no standby can confirm: commits wait (synchronous_mode_strict)"
	}
	return "standbys that can confirm"
}

// common are the voters whose confirmation names require as well.
func (p *syncPlan) common(names cluster.SyncNames) nameSet {
	out := nameSet{}
	for name := range p.voters {
		if names.Has(name) && p.names.Has(name) {
			out[name] = true
		}
	}
	return out
}

// reached reports that the key is what was aimed at.
func (p *syncPlan) reached() bool {
	want := setOf(p.target.names.Names)
	delete(want, cluster.NoStandby)
	return p.voters.equal(want) && p.state.Quorum <= p.target.quorum
}

// lacks reports that a standby may lack a commit that was acknowledged under
// former names. Whoever is listed with quorum 0 has every commit.
func (p *syncPlan) lacks(name string) bool {
	if p.sound && p.state.Quorum == 0 && p.voters.has(name) {
		return false
	}
	for _, b := range p.active {
		if strings.EqualFold(b.name, name) {
			return p.v.Sync.Baseline == 0 || b.position < p.v.Sync.Baseline
		}
	}
	return true
}

func (p *syncPlan) lacking(voters nameSet) int {
	n := 0
	for name := range voters {
		if p.lacks(name) {
			n++
		}
	}
	return n
}

// write is the step that writes the key, in the members' spelling.
func (p *syncPlan) write(voters nameSet, quorum int, reason string) SyncStep {
	state := cluster.SyncState{Leader: p.v.Self, Quorum: quorum, Version: p.state.Version}
	for name := range voters {
		state.Standbys = append(state.Standbys, p.spelled(name))
	}
	slices.Sort(state.Standbys)
	return SyncStep{Verb: SyncState, State: state, Reason: reason}
}

func (p *syncPlan) spelled(name string) string {
	for _, m := range p.v.Cluster.Members {
		if strings.EqualFold(m.Name, name) {
			return m.Name
		}
	}
	for _, n := range append(slices.Clone(p.state.Standbys), p.state.Leader) {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return name
}

// syncAgain is how soon the leader looks again at standbys that have not
// confirmed yet: their progress is no event.
const syncAgain = 200 * time.Millisecond
