package agent

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/core/record"
)

// begin opens an incident if this round shows that one has begun.
func (s *story) begin(v *decide.View, d decide.Decision) {
	seen := v.StoreErr == "" && v.Cluster != nil
	busy := s.in != nil && (s.in.epoch == s.epoch || s.in.open)
	crashed := s.led && s.primary && !v.Instance.Running && v.Lease.Held() && !s.a.s.job.replaces()
	switch {
	case s.led && s.looked != 0 && v.Now.Sub(s.looked) > stallAfter && (!v.Lease.Held() || !v.Instance.Running):
		s.beginStalled(v, d)
	case busy && s.in.epoch == s.epoch:
		if crashed && s.in.open && s.in.cause == record.CauseCrash { // before it was known that it is back
			p := s.phase(record.Detect, v.Now, d)
			p.e.Reason, p.e.Cause = s.countCrash(v.Now), s.in.cause
			p.close(v.Now, nil)
		}
	case crashed:
		s.beginCrash(v, d)
	case s.led && ends(d.Verb):
		s.beginOwnEnd(v, d)
	case d.Verb == decide.ClearFailover && v.Cluster.Failover.Version != s.refused:
		s.tellRefusal(v, d)
	case s.epoch == 0 || !seen || v.Lease.Held() && v.Lease.Epoch == s.epoch:
	case v.Cluster.Leader == nil, v.Cluster.Leader.Epoch > s.epoch:
		s.beginSeen(v, d)
	}
}

// ends reports that the verb ends a leadership.
func ends(v decide.Verb) bool {
	return gives(v) || v == decide.Demote || v == decide.Abort
}

// gives reports that the verb gives the lock away.
func gives(v decide.Verb) bool {
	return v == decide.HandOver || v == decide.Release || v == decide.StepDown
}

// crashLoop is how many crashes within crashWindow are a loop.
const (
	crashLoop   = 3
	crashWindow = 10 * time.Minute
)

// beginCrash is of a leader whose PostgreSQL went down by itself. Whether it
// comes back in place is not known yet.
func (s *story) beginCrash(v *decide.View, d decide.Decision) {
	in := s.open(v, s.epoch, s.a.o.Name, v.Now)
	in.open, in.cause = true, record.CauseCrash
	reason := s.countCrash(v.Now)
	if s.a.o.Evidence == nil {
		s.detected(v, d, reason)
		return
	}
	p := s.phase(record.Detect, v.Now, d)
	p.e.Cause, p.e.Reason = in.cause, reason
	p.add("decision", "rule", d.Rule, "reason", d.Reason)
	go func() { // a file system can hang
		full := s.a.o.Evidence().Full
		s.mu.Lock()
		defer s.mu.Unlock()
		if full != "" {
			in.cause = record.CauseDiskFull
			p.e.Cause, p.e.Reason = in.cause, reason+"; no room is left in "+full
		}
		p.close(v.Now, nil)
	}()
}

// countCrash says what has happened, and makes many crashes a loop.
func (s *story) countCrash(now lease.Instant) string {
	const what = "PostgreSQL of the leader went down by itself"
	s.crashes = append(s.crashes, now)
	for len(s.crashes) > 0 && now.Sub(s.crashes[0]) > crashWindow {
		s.crashes = s.crashes[1:]
	}
	if n := len(s.crashes); n >= crashLoop {
		s.in.cause = record.CauseCrashLoop
		return fmt.Sprintf("%s, %d times within %v", what, n, crashWindow)
	}
	return what
}

// detected writes the phase Detect up to now, with what is known of the cause.
func (s *story) detected(v *decide.View, d decide.Decision, reason string) {
	since := s.in.since
	if s.in.kind == record.Switchover { // nothing had to be detected
		since = v.Now
	}
	p := s.phase(record.Detect, since, d)
	p.e.Cause, p.e.Guess = s.in.cause, s.in.guess
	p.e.Reason = reason
	p.add("decision", "rule", d.Rule, "reason", d.Reason)
	p.close(v.Now, nil)
}

// beginOwnEnd is of a leader that gives up, or has to.
func (s *story) beginOwnEnd(v *decide.View, d decide.Decision) {
	since := v.Now
	cut := v.StoreErr != "" && d.Verb == decide.Demote
	if cut && v.Lease.Sent != 0 {
		since = v.Lease.Sent
	}
	in := s.open(v, s.epoch, s.a.o.Name, since)
	in.open = !gives(d.Verb) // a demoted leader may come back under the same lock
	switch {
	case in.cause != "":
	case cut:
		in.cause = record.CauseStoreCut
		s.askWhetherCut(v, d)
		return
	case d.Verb == decide.Release || d.Verb == decide.StepDown:
		in.cause = record.CauseStartFailed
	default:
		in.cause = record.CauseLostLock
	}
	s.detected(v, d, d.Reason)
}

// askWhetherCut asks the others, beside everything else, whether it is
// ZooKeeper that does not answer, or nobody. The answer ends Detect.
func (s *story) askWhetherCut(v *decide.View, d decide.Decision) {
	p := s.phase(record.Detect, s.in.since, d)
	in, others := s.in, othersOf(v)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		answers := s.a.o.Peers.Ask(ctx, others)
		s.mu.Lock()
		defer s.mu.Unlock()
		reached := 0
		for _, a := range answers {
			if a.Reachable {
				reached++
			}
		}
		s.addPeers(p, answers)
		p.e.Reason = d.Reason
		if len(answers) > 0 && reached == 0 {
			in.cause, p.e.Reason = record.CauseNetworkCut, d.Reason+"; no other member answers either"
		} else if reached > 0 {
			p.e.Reason = fmt.Sprintf("%s; %d of %d other members answer", d.Reason, reached, len(answers))
		}
		p.e.Cause = in.cause
		p.close(v.Now, nil)
	}()
}

func othersOf(v *decide.View) []cluster.Member {
	var out []cluster.Member
	if v.Cluster != nil {
		for _, m := range v.Cluster.Members {
			if m.Name != v.Self && m.Data.APIURL != "" {
				out = append(out, m)
			}
		}
	}
	return out
}

// beginStalled is of a leader that stood still and lost its lease meanwhile.
func (s *story) beginStalled(v *decide.View, d decide.Decision) {
	in := s.open(v, s.epoch, s.a.o.Name, s.looked)
	in.cause = record.CauseAgentFrozen
	reason := fmt.Sprintf("this agent stood still for %v", v.Now.Sub(s.looked).Round(100*time.Millisecond))
	p := s.phase(record.Detect, s.looked, d)
	p.e.Cause, p.e.Reason = in.cause, reason
	p.add("decision", "rule", d.Rule, "reason", d.Reason)
	if s.a.o.Fence == nil {
		p.close(v.Now, nil)
		return
	}
	go func() { // the fence may be slow to answer
		killed := s.a.o.Fence.Spent() != 0
		s.mu.Lock()
		defer s.mu.Unlock()
		if killed {
			p.e.Reason = reason + "; the fence stopped PostgreSQL meanwhile"
		}
		p.close(v.Now, nil)
	}()
}

// beginSeen is of a member that sees another leader's znode gone, or replaced.
func (s *story) beginSeen(v *decide.View, d decide.Decision) {
	planned := s.askedAt != 0 && s.askedEpoch == s.epoch
	inOrder := v.Cluster.Status.Released != 0 && v.Cluster.Status.Released == s.epoch
	since := v.Now
	switch {
	case planned:
		since = s.askedAt
	case !inOrder && s.streamed != 0 && v.Now.Sub(s.streamed) < storyLimit:
		since = s.streamed
	}
	in := s.open(v, s.epoch, s.leader, since)
	reason := "the leader znode of " + s.leader + " is gone"
	if in.cause == "" {
		in.cause, in.guess = record.CauseNodeLost, true
		switch {
		case inOrder:
			in.cause, reason = record.CauseStopped, s.leader+" stopped in order and released the leader lock"
		case v.Cluster.Member(s.leader) != nil:
			in.cause, reason = record.CauseLostLock, s.leader+" gave the leader lock up; its agent is there"
		default:
			reason += ", and its member key with it; replication from it was last seen at " + in.begin.Format(time.RFC3339Nano)
		}
	} else {
		reason = s.requestText()
	}
	s.detected(v, d, reason)
}

func (s *story) requestText() string {
	text := "an operator asked for it"
	if s.asked.Candidate != "" {
		text += ": candidate " + s.asked.Candidate
	}
	if !s.asked.ScheduledAt.IsZero() {
		text += ", scheduled for " + s.asked.ScheduledAt.Format(time.RFC3339)
	}
	return text
}

// tellRefusal writes a request that is not carried out as an incident of its own.
func (s *story) tellRefusal(v *decide.View, d decide.Decision) {
	s.refused = v.Cluster.Failover.Version
	id := record.Derive(v.Cluster.SystemID(), s.a.o.Scope, v.Lease.Epoch)
	now := s.a.wall()
	in := &incident{id: id.Local(s.a.o.Name, now), epoch: v.Lease.Epoch, old: v.Self, new: v.Self, kind: record.Refusal, begin: now, since: v.Now}
	in.trace, in.cause = in.id, record.CauseRequestInvalid
	if trace, parent, ok := record.ParseTraceParent(v.Cluster.Failover.TraceParent); ok {
		in.trace, in.parent = trace, parent
	}
	switch {
	case strings.Contains(d.Reason, "which is behind"):
		in.cause = record.CauseLag
	case strings.Contains(d.Reason, "no good candidate"):
		in.cause = record.CauseNoCandidate
	}
	e := record.Entry{
		Member: v.Self, Phase: record.Change, Begin: now, End: now, Rule: d.Rule, Reason: d.Reason, Cause: in.cause,
		Timeline: v.Instance.Timeline, LSN: v.Instance.Position(),
	}
	for _, p := range v.Peers {
		e.Add(record.Event{At: now, Name: "peer", Facts: peerFacts(p)})
	}
	s.write(in, e)
}

// advance follows the incident.
func (s *story) advance(v *decide.View, d decide.Decision) {
	in := s.in
	holds := v.Lease.Held()
	leader := ""
	if v.StoreErr == "" && v.Cluster != nil && v.Cluster.Leader != nil && v.Cluster.Leader.Epoch != in.epoch {
		leader = v.Cluster.Leader.Name
	}
	switch {
	case holds && v.Lease.Epoch == in.epoch:
		s.advanceOld(v, d)
	case holds:
		s.advanceWinner(v, d)
	case leader != "":
		s.settle(in, record.Failover)
		s.advanceFollower(v, d, leader)
	default:
		s.settle(in, record.Failover)
		s.advanceRace(v, d)
	}
	if s.in != nil && v.Now.Sub(in.since) > storyLimit {
		s.leave()
	}
}

// advanceOld is of the leader, while it still holds the lock.
func (s *story) advanceOld(v *decide.View, d decide.Decision) {
	in := s.in
	switch {
	case gives(d.Verb):
		s.settle(in, record.Failover)
	case in.open && !ends(d.Verb) && v.StoreErr == "" && v.Job == nil && v.Instance.Ready && v.Instance.Primary():
		s.settle(in, record.Restart)
		s.accepts(in, v) // it was promoted, if it had been demoted
		in.new = in.old
		s.writeWhole(in, in.begin, v.Now, d.Rule, "PostgreSQL is primary again in place", nil)
		s.in = nil
	}
}

// advanceRace is of a free lock. Only standbys race; others wait.
func (s *story) advanceRace(v *decide.View, d decide.Decision) {
	in := s.in
	if v.StoreErr != "" || v.Cluster == nil || v.Cluster.Leader != nil || !v.Instance.Standby || !v.Instance.Running {
		return
	}
	if in.race == nil {
		in.race = s.phase(record.Race, v.Now, d)
	}
	s.addDecision(in.race, d)
	if d.Rule == "race-lag" {
		in.race.e.Cause = record.CauseLag
	}
	in.race.e.Rule, in.race.e.Reason = d.Rule, d.Reason
	in.race.e.LSN, in.race.e.Timeline = v.Instance.Position(), v.Instance.Timeline
	if v.Peers != nil {
		s.addPeers(in.race, v.Peers)
	}
}

// addDecision notes a decision that differs from the last.
func (s *story) addDecision(p *pen, d decide.Decision) {
	if text := d.Rule + d.Reason; text != s.in.told {
		s.in.told = text
		p.add("decision", "verb", string(d.Verb), "rule", d.Rule, "reason", d.Reason)
	}
}

// addPeers notes the answers that a candidate compared itself with.
func (s *story) addPeers(p *pen, peers []decide.Peer) {
	if text := fmt.Sprint(peers); s.in != nil && text != s.in.peers {
		s.in.peers = text
		for _, a := range peers {
			p.add("peer", flat(peerFacts(a))...)
		}
	}
}

func peerFacts(p decide.Peer) map[string]string {
	f := map[string]string{"member": p.Name, "reachable": strconv.FormatBool(p.Reachable)}
	if !p.Reachable {
		f["err"] = p.Err
		return f
	}
	f["lsn"], f["timeline"], f["primary"] = p.Position.String(), strconv.Itoa(int(p.Timeline)), strconv.FormatBool(p.Primary)
	f["priority"] = strconv.Itoa(p.FailoverPriority)
	if p.NoFailover {
		f["nofailover"] = "true"
	}
	return f
}

func flat(facts map[string]string) []string {
	var out []string
	for k, v := range facts {
		out = append(out, k, v)
	}
	return out
}

// advanceWinner is of the member that has taken the lock.
func (s *story) advanceWinner(v *decide.View, d decide.Decision) {
	in := s.in
	in.new = v.Self
	if in.race != nil && !in.race.ended {
		in.race.add("won", "lsn", v.Instance.Position().String())
		in.race.close(s.acquiredAt(v.Now), nil)
	}
	promoting := v.Job != nil && v.Job.Kind == "promote" // its end is told before
	if in.whole || promoting || !v.Instance.Ready || !v.Instance.Primary() {
		return
	}
	s.accepts(in, v)
	s.writeWhole(in, in.begin, v.Now, d.Rule, v.Self+" leads after "+in.old, nil)
}

// accepts ends the wait for the first write, if there was a promotion.
func (s *story) accepts(in *incident, v *decide.View) {
	if in.write == nil {
		return
	}
	in.write.e.Timeline, in.write.e.LSN = v.Instance.Timeline, v.Instance.Position()
	in.write.add("accepts writes", "at", where(v))
	in.write.close(v.Now, nil)
}

// acquiredAt is when the lock was taken, as far as known: the race is over then.
func (s *story) acquiredAt(now lease.Instant) lease.Instant {
	if s.in.acquired != 0 {
		return s.in.acquired
	}
	return now
}

// advanceFollower is of a member that is to follow the new leader.
func (s *story) advanceFollower(v *decide.View, d decide.Decision, leader string) {
	in := s.in
	in.new = leader
	if in.race != nil && !in.race.ended {
		in.race.add("lost", "leader", leader)
		in.race.close(v.Now, nil)
	}
	if in.follow == nil {
		in.follow = s.phase(record.Follow, v.Now, d)
	}
	s.addDecision(in.follow, d)
	if v.Job == nil { // else the rule is that there is work
		in.follow.e.Rule, in.follow.e.Reason = d.Rule, d.Reason
	}
	m := v.Cluster.LeaderMember()
	primary := m != nil && m.Data.IsPrimary() && m.Data.Timeline > 0
	if !primary || v.Instance.ReplicationState != "streaming" || !v.Instance.Ready || v.Instance.Timeline < m.Data.Timeline {
		return
	}
	in.follow.e.LSN, in.follow.e.Timeline = v.Instance.Position(), v.Instance.Timeline
	in.follow.close(v.Now, nil)
	s.in = nil
}
