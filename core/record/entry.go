package record

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Kind is what kind of incident an Entry belongs to; "" if the member that
// noted it cannot know.
type Kind string

// The kinds. Refusal is a request that was not carried out; Restart is a crash,
// or a demotion, that ended with the same leader under the same lock.
const (
	Failover   Kind = "failover"
	Switchover Kind = "switchover"
	Restart    Kind = "restart"
	Refusal    Kind = "refusal"
	// Reclaim is a leader that took the lock again, as a restarted agent does.
	Reclaim Kind = "reclaim"
)

// Phase is a part of an incident, on one member.
type Phase string

// The phases. Change is the whole, from its cause to the first write that
// could be accepted; it is noted once, by the member that leads then. Work
// that the agent does on the way has the name of its job, as "rewind".
const (
	Change   Phase = "change"
	Detect   Phase = "detect"
	HandOver Phase = "hand-over"
	Demote   Phase = "demote"
	Fence    Phase = "fence"
	Release  Phase = "release"
	Race     Phase = "race"
	Acquire  Phase = "acquire"
	Promote  Phase = "promote"
	Write    Phase = "first write"
	Follow   Phase = "follow"
	History  Phase = "history"
)

// Cause is why an incident came about.
type Cause string

// The causes.
const (
	CauseSwitchover     Cause = "switchover"
	CauseScheduled      Cause = "scheduled switchover"
	CauseManual         Cause = "manual failover"
	CauseStopped        Cause = "agent stopped in order"
	CauseCrash          Cause = "postgres crashed"
	CauseCrashLoop      Cause = "postgres crashes again and again"
	CauseDiskFull       Cause = "disk full"
	CauseStartFailed    Cause = "postgres does not start"
	CauseAgentKilled    Cause = "agent killed"
	CauseAgentFrozen    Cause = "agent frozen"
	CauseNodeLost       Cause = "node lost"
	CauseStoreCut       Cause = "cut off from zookeeper"
	CauseNetworkCut     Cause = "cut off from the network"
	CauseLostLock       Cause = "leader lock lost"
	CauseLag            Cause = "standby lags"
	CauseNoCandidate    Cause = "no good candidate"
	CauseRequestInvalid Cause = "request cannot be carried out"
)

// Entry is what one member notes of one phase. The last Entry of a Span is the
// one that counts: a phase is noted when it begins, and again when it ends.
type Entry struct {
	ID    ID     `json:"id"`
	Trace ID     `json:"trace"`
	Span  SpanID `json:"span"`
	// Parent is the zero value for a root without an operator's trace.
	Parent SpanID `json:"parent,omitzero"`
	Member string `json:"member"`
	Kind   Kind   `json:"kind,omitempty"`
	Phase  Phase  `json:"phase"`
	// End is zero while the phase goes on, or if its member did not live to
	// tell.
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end,omitzero"`
	// Rule and Reason are those of the decision that began the phase.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	Err    string `json:"err,omitempty"`
	// Cause is what this member holds for the cause; Guess means that it saw
	// only the effects.
	Cause Cause `json:"cause,omitempty"`
	Guess bool  `json:"guess,omitempty"`
	// Epoch is of the leader that went, Old its name; New is who led after.
	Epoch    cluster.Epoch    `json:"epoch,omitempty"`
	Old      string           `json:"old_leader,omitempty"`
	New      string           `json:"new_leader,omitempty"`
	Timeline cluster.Timeline `json:"timeline,omitempty"`
	LSN      cluster.LSN      `json:"lsn,omitempty"`
	Events   []Event          `json:"events,omitempty"`
	// Left is how many events there was no room for.
	Left int `json:"events_left_out,omitempty"`
}

// Event is something that happened at one moment of a phase.
type Event struct {
	At    time.Time         `json:"at"`
	Name  string            `json:"name"`
	Facts map[string]string `json:"facts,omitempty"`
}

// MaxEvents bounds the events of one Entry.
const MaxEvents = 64

// Add adds an event, or counts it if there is no room.
func (e *Entry) Add(v Event) {
	if len(e.Events) >= MaxEvents {
		e.Left++
		return
	}
	e.Events = append(e.Events, v)
}

// Took is how long the phase took, 0 while it goes on.
func (e Entry) Took() time.Duration {
	if e.End.IsZero() {
		return 0
	}
	return e.End.Sub(e.Begin)
}
