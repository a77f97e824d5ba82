package agent

import (
	"context"
	"errors"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// publishInitial gives REST something to answer with before the first round.
func (a *Agent) publishInitial() {
	a.status.Store(&cluster.NodeStatus{
		Name: a.o.Name, Scope: a.o.Scope, Role: cluster.RoleUninitialized,
		Instance: cluster.Instance{State: cluster.StateStopped}, InstanceID: a.o.InstanceID,
		Settings: a.s.settings, Tags: a.s.tags, Dynamic: a.s.dynamic,
		LoopUntil: time.Duration(a.now().Add(a.s.settings.TTL)),
	})
}

// publish makes the result of a round visible: to REST by the status, to the
// cluster by the member key.
func (a *Agent) publish(ctx context.Context) {
	s := &a.s
	now := a.now()
	l := a.o.Store.Lease()
	member := a.memberData()
	st := &cluster.NodeStatus{
		Name: a.o.Name, Scope: a.o.Scope, Role: a.role(), Instance: s.instance,
		Promoting: l.Held() && (s.won || (s.instance.Ready && s.instance.Standby)), LastSeen: s.lastSeen, Settings: s.settings,
		Tags: s.tags, Member: member, Rule: s.last.Rule, Reason: s.last.Reason,
		LoopUntil: time.Duration(now.Add(2 * s.settings.TTL)), InstanceID: a.o.InstanceID,
		Dynamic: s.dynamic, LastStatus: a.lastStatus(), PublishedAt: time.Duration(now),
	}
	st.Instance.State = member.State
	if l.Held() {
		st.LeaseUntil = time.Duration(l.Soft())
	}
	if carried := a.carried(l, now); carried != 0 {
		st.LeaseUntil, st.FailsafeActive = time.Duration(max(l.Soft(), carried)), true
	}
	st.WatchdogFailed = a.watchdogErr() != ""
	st.FailsafeActive = st.FailsafeActive || now.Before(a.promises.current().Until)
	a.prepareFailsafe()
	if s.storeErr == "" {
		st.Cluster = s.cluster
	}
	if s.job != nil {
		st.Job, st.Build = s.job.kind, a.build()
	}
	a.status.Store(st)
	a.views.signal()
	a.setMember(ctx, member, now)
}

// lastStatus is what a leader that was lost leaves in the status key: never
// less than what is known to be written, and no word of an orderly end.
func (a *Agent) lastStatus() cluster.Status {
	status := cluster.Status{}
	if a.s.cluster != nil {
		status = a.s.cluster.Status
	}
	status.Optime, status.Released = max(status.Optime, a.s.instance.WriteLSN), 0
	return status
}

// role is the agent's own idea of its role.
func (a *Agent) role() cluster.Role {
	i, s := a.s.instance, &a.s
	leads := a.o.Store.Lease().Held()
	switch {
	case i.DataEmpty || i.DataProblem != "":
		return cluster.RoleUninitialized
	case i.Standby && leads && s.settings.StandbyCluster != nil:
		return cluster.RoleStandbyLeader
	case i.Running && i.Standby:
		return cluster.RoleReplica
	case i.Running:
		return cluster.RolePrimary
	case i.Standby:
		return cluster.RoleReplica
	case leads && !(s.job != nil && s.job.stopping):
		return cluster.RolePrimary
	}
	return cluster.RoleDemoted
}

// memberData is the value of the own member key.
func (a *Agent) memberData() cluster.MemberData {
	s, i := &a.s, a.s.instance
	d := cluster.MemberData{
		ConnURL: a.o.ConnURL, APIURL: a.api(), ProxyURL: a.o.ProxyURL,
		State: i.State, Role: a.role(), Version: CompatVersion,
		CheckpointPending: a.checkpointPending.Load() && i.Primary(),
		Tags:              s.publishedTags(),
		PendingRestart:    i.PendingRestart, PendingRestartReason: i.PendingReason,
		Pause: s.settings.Pause,
	}
	if a.leaving.Load() {
		d.Tags = withoutSync(d.Tags)
	}
	if s.scheduled != nil {
		d.ScheduledRestart = s.scheduled.shown
	}
	if j := s.job; j != nil {
		if b := a.build(); b != nil {
			d.Build = b.Summary()
		}
		if j.state != "" {
			d.State = j.state
		} else if j.kind == "bootstrap" && j.primary.Load() {
			d.State = cluster.StateInitializing // not to be copied yet
		} else if j.stopping && i.Running && j.kind != "clone" {
			d.State = cluster.StateStopping
		}
	}
	if i.Ready {
		d.XLogLocation, d.Timeline = i.Position(), i.Timeline
		if i.Standby {
			d.ReplayLSN, d.ReceiveLSN, d.ReplicationState = i.ReplayLSN, i.ReceiveLSN, i.ReplicationState
		}
	}
	return d
}

// publishedTags are the tags as they go into the member key: the same object
// until they change, so that it is seen at once that they have not.
func (s *state) publishedTags() cluster.Tags {
	if s.published.of != s.tags || s.published.tags == (cluster.Tags{}) {
		s.published.of, s.published.tags = s.tags, s.tags.Published()
	}
	return s.published.tags
}

// setMember writes the member key when something but the positions changed,
// or when the positions are older than loop_wait.
func (a *Agent) setMember(ctx context.Context, d cluster.MemberData, now lease.Instant) {
	s := &a.s
	if s.storeErr != "" || !s.joined {
		return
	}
	if a.o.Store.MemberCurrent() && samePlace(d, s.member) && now.Sub(s.memberSetAt) < a.memberEvery(d) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := a.o.Store.SetMember(ctx, d)
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		s.member, s.memberSetAt = d, now
	}
	if text != "" && text != s.memberErr {
		level := "write member key"
		if errors.Is(err, cluster.ErrNameInUse) {
			level = "member key still belongs to another session; waiting for it to expire"
		}
		a.log.Warn(level, "err", err)
	}
	s.memberErr = text
}

// samePlace compares two member values without their positions. Every round
// asks it, and mostly nothing has changed.
func samePlace(a, b cluster.MemberData) bool {
	if !sameMethod(a.Build, b.Build) {
		return false
	}
	a.Build = b.Build
	a.XLogLocation, a.ReplayLSN, a.ReceiveLSN = 0, 0, 0
	b.XLogLocation, b.ReplayLSN, b.ReceiveLSN = 0, 0, 0
	tags := sameText(a.Tags.Object(), b.Tags.Object())
	reasons := sameText(a.PendingRestartReason, b.PendingRestartReason) && sameText(a.ScheduledRestart, b.ScheduledRestart)
	a.Tags, a.PendingRestartReason, a.ScheduledRestart = b.Tags, b.PendingRestartReason, b.ScheduledRestart
	return tags && reasons && a == b
}

// sameText compares two objects as they are written; an empty one is none.
func sameText(a, b *cluster.Object) bool {
	if a == b || a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return a.Len() == b.Len() && a.String() == b.String()
}

// Status is what was last published, from memory.
func (a *Agent) Status() *cluster.NodeStatus { return a.status.Load() }
