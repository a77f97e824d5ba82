package rest

import (
	"net/http"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// handover is a request to move the leadership.
type handover struct {
	// manual is a failover: it overrides synchronous mode and does not
	// name the leader.
	manual    bool
	leader    string
	candidate string
	at        time.Time // zero: now
	// scheduled is the text of at, nil if none was given.
	scheduled any
}

// name is the request's in sentences.
func (h handover) name() string {
	if h.manual {
		return "failover"
	}
	return "switchover"
}

// parseHandover reads the body; candidate has the old alias member.
func parseHandover(o *cluster.Object, manual bool) (handover, *refusal) {
	h := handover{manual: manual}
	var err *refusal
	if h.leader, err = textKey(o, "leader"); err != nil {
		return h, err
	}
	if h.candidate, err = textKey(o, "candidate"); err != nil {
		return h, err
	}
	if h.candidate == "" {
		if h.candidate, err = textKey(o, "member"); err != nil {
			return h, err
		}
	}
	if v := o.Get("scheduled_at"); v != nil && v != "" {
		h.scheduled = v
	}
	return h, nil
}

// check compares the request with the cluster, up to but without asking
// other members. It returns the request as it is to be carried out and the
// members of whom one must be fit; none for a scheduled request, which is
// checked when it is due.
func (h handover) check(view *cluster.Cluster, now time.Time) (handover, []cluster.Member, *refusal) {
	settings, _ := cluster.ParseSettings(view.Config.Object)
	h, err := h.checkRequest(settings, now)
	if err != nil || !h.at.IsZero() {
		return h, nil, err
	}
	if h.leader != "" && h.leader != view.LeaderName() {
		return h, nil, &refusal{http.StatusPreconditionFailed, "leader name does not match"}
	}
	return h.candidates(view, settings.SynchronousMode == "on")
}

// checkRequest applies the rules that need no view.
func (h handover) checkRequest(s cluster.Settings, now time.Time) (handover, *refusal) {
	bad := func(sentence string) (handover, *refusal) { return h, badRequest(sentence) }
	switch {
	case h.manual && h.candidate == "":
		return bad("Failover could be performed only to a specific candidate")
	case !h.manual && h.leader == "":
		return bad("Switchover could be performed only from a specific leader")
	case h.manual && h.scheduled != nil:
		return bad("Failover can't be scheduled")
	case h.scheduled != nil && s.Pause:
		return bad("Can't schedule switchover in the paused state")
	}
	if h.scheduled != nil {
		at, err := parseSchedule(h.scheduled, "switchover", now)
		if err != nil {
			return h, err
		}
		h.at = at
	}
	switch {
	case s.Pause && h.candidate == "":
		return bad("Switchover is possible only to a specific candidate in a paused state")
	case h.leader != "" && h.leader == h.candidate:
		return bad("Switchover target and source are the same")
	}
	return h, nil
}

// candidates are the members that may take over. synchronous is true in
// synchronous mode other than quorum.
func (h handover) candidates(view *cluster.Cluster, synchronous bool) (handover, []cluster.Member, *refusal) {
	refuse := func(sentence string) (handover, []cluster.Member, *refusal) {
		return h, nil, &refusal{http.StatusPreconditionFailed, sentence}
	}
	if h.manual && h.leader != "" {
		// Older patronictl always names the leader. That is a switchover,
		// unless the operator wants a standby that is not synchronous.
		h.manual = synchronous && !view.Sync.HasStandby(h.candidate)
	}
	if h.manual {
		h.leader = ""
	}
	if h.candidate != "" {
		if !h.manual && synchronous && !view.Sync.HasStandby(h.candidate) {
			return refuse("candidate name does not match with sync_standby")
		}
		m := view.Member(h.candidate)
		if m == nil {
			return refuse("candidate does not exists")
		}
		return h, []cluster.Member{*m}, nil
	}
	var fit []cluster.Member
	for _, m := range view.Members {
		if m.Name != view.LeaderName() && (!synchronous || view.Sync.HasStandby(m.Name)) {
			fit = append(fit, m)
		}
	}
	switch {
	case len(fit) == 0 && synchronous:
		return refuse(h.name() + " is not possible: can not find sync_standby")
	case len(fit) == 0:
		return refuse(h.name() + " is not possible: cluster does not have members except leader")
	}
	return h, fit, nil
}

// key is the request as it goes into the failover key.
func (h handover) key(traceParent string) cluster.Failover {
	return cluster.Failover{Leader: h.leader, Candidate: h.candidate, ScheduledAt: h.at, TraceParent: traceParent}
}

// outcome is what a view says of a request that was written.
type outcome int

const (
	undecided outcome = iota
	arrived           // the leadership is where it was to go, and writable
	elsewhere         // another member has it, writable
	refused           // the request was removed, and no new leader is there
)

// judge compares a view with the leader before the request. A new leader
// counts once its member key says that it takes writes.
func (h handover) judge(view *cluster.Cluster, before string) outcome {
	leader := view.LeaderName()
	switch {
	case leader != "" && leader != before && !settled(view.LeaderMember()):
		return undecided
	case leader != "" && leader != before && (h.candidate == "" || h.candidate == leader):
		return arrived
	case leader != "" && leader != before:
		return elsewhere
	case leader != "" && !view.Failover.Pending():
		return refused // without a leader: somebody is just taking over
	}
	return undecided
}

// settled reports that the leader does its work: it takes writes, or leads a
// standby cluster.
func settled(m *cluster.Member) bool {
	return m != nil && m.Data.State == cluster.StateRunning && (m.Data.IsPrimary() || m.Data.Role == cluster.RoleStandbyLeader)
}

// answer words an outcome for the operator.
func (h handover) answer(o outcome, leader string) *reply {
	verb, title := "switched", "Switchover"
	if h.manual {
		verb, title = "failed", "Failover"
	}
	switch o {
	case arrived:
		return &reply{http.StatusOK, "Successfully " + verb + ` over to "` + leader + `"`}
	case elsewhere:
		past := "Switched"
		if h.manual {
			past = "Failed"
		}
		return &reply{http.StatusOK, past + ` over to "` + leader + `" instead of "` + h.candidate + `"`}
	case refused:
		return &reply{http.StatusServiceUnavailable, title + " failed"}
	}
	return &reply{http.StatusServiceUnavailable, title + " status unknown"}
}
