package fence

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

const start = lease.Instant(time.Hour)

func armed() *Machine {
	m := &Machine{Wait: 5 * time.Second}
	m.AgentThere()
	m.On(Message{Kind: Arm, Epoch: 7, Session: 5, Hard: start.Add(10 * time.Second)})
	return m
}

func TestMachine(t *testing.T) {
	sec := func(n int) lease.Instant { return start.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		with  func(*Machine)
		at    lease.Instant
		order Order
		why   Reason
	}{
		"armed, before the deadline":     {nil, sec(10) - 1, Nothing, NoReason},
		"armed, at the deadline":         {nil, sec(10), Kill, LeaseOver},
		"renewed":                        {func(m *Machine) { m.On(Message{Kind: Renew, Epoch: 7, Hard: sec(20)}) }, sec(10), Nothing, NoReason},
		"renewed to an earlier deadline": {func(m *Machine) { m.On(Message{Kind: Renew, Epoch: 7, Hard: sec(5)}) }, sec(5), Nothing, NoReason},
		"renewed by an older epoch":      {func(m *Machine) { m.On(Message{Kind: Renew, Epoch: 6, Hard: sec(20)}) }, sec(10), Kill, LeaseOver},
		"renewed by an unknown epoch":    {func(m *Machine) { m.On(Message{Kind: Renew, Epoch: 8, Hard: sec(20)}) }, sec(10), Kill, LeaseOver},
		"a newer epoch":                  {func(m *Machine) { m.On(Message{Kind: Arm, Epoch: 8, Session: 5, Hard: sec(12)}) }, sec(12), Kill, LeaseOver},
		"an older epoch cannot arm":      {func(m *Machine) { m.On(Message{Kind: Arm, Epoch: 6, Session: 5, Hard: sec(99)}) }, sec(10), Kill, LeaseOver},
		"disarmed":                       {func(m *Machine) { m.On(Message{Kind: Disarm, Epoch: 7}) }, sec(99), Nothing, NoReason},
		"disarmed: an older epoch of the session": {func(m *Machine) {
			m.On(Message{Kind: Disarm, Epoch: 7})
			m.On(Message{Kind: Arm, Epoch: 6, Session: 5, Hard: sec(12)})
		}, 0, Nothing, 0},
		"disarmed: an older epoch of a new session, as in a restored ensemble": {func(m *Machine) {
			m.On(Message{Kind: Disarm, Epoch: 7})
			m.On(Message{Kind: Arm, Epoch: 6, Session: 6, Hard: sec(12)})
		}, sec(12), Kill, LeaseOver},
		"armed: an older epoch of a new session": {func(m *Machine) { m.On(Message{Kind: Arm, Epoch: 6, Session: 6, Hard: sec(99)}) }, sec(10), Kill, LeaseOver},
		"an older epoch cannot disarm":           {func(m *Machine) { m.On(Message{Kind: Disarm, Epoch: 6}) }, sec(10), Kill, LeaseOver},
		"quit while armed is refused":            {func(m *Machine) { m.On(Message{Kind: Quit}) }, sec(1), Nothing, NoReason},
		"quit":                                   {func(m *Machine) { m.On(Message{Kind: Disarm, Epoch: 7}); m.On(Message{Kind: Quit}) }, sec(1), Exit, NoReason},
		"agent gone, still waiting":              {func(m *Machine) { m.AgentGone(sec(1)) }, sec(6) - 1, Nothing, NoReason},
		"agent gone, waited":                     {func(m *Machine) { m.AgentGone(sec(1)) }, sec(6), Kill, AgentGone},
		"agent gone, the deadline comes first":   {func(m *Machine) { m.AgentGone(sec(8)) }, sec(10), Kill, LeaseOver},
		"agent gone and back":                    {func(m *Machine) { m.AgentGone(sec(1)); m.AgentThere() }, sec(6), Nothing, NoReason},
		"agent gone, nothing armed":              {func(m *Machine) { m.On(Message{Kind: Disarm, Epoch: 7}); m.AgentGone(sec(1)) }, sec(6), Exit, NoReason},
		"killed":                                 {func(m *Machine) { m.Killed(LeaseOver) }, sec(99), Nothing, NoReason},
		"killed: a late renewal changes nothing": {func(m *Machine) { m.Killed(LeaseOver); m.On(Message{Kind: Renew, Epoch: 7, Hard: sec(99)}) }, sec(50), Nothing, NoReason},
		"killed: proven again in the same epoch": {func(m *Machine) {
			m.Killed(LeaseOver)
			m.On(Message{Kind: Arm, Epoch: 7, Session: 5, Hard: sec(30)})
		}, sec(30), Nothing, NoReason},
		"killed: a later epoch of the same session": {func(m *Machine) {
			m.Killed(LeaseOver)
			m.On(Message{Kind: Arm, Epoch: 9, Session: 5, Hard: sec(20)})
		}, sec(20), Nothing, NoReason},
		"killed: a later session can": {func(m *Machine) {
			m.Killed(LeaseOver)
			m.On(Message{Kind: Arm, Epoch: 9, Session: 6, Hard: sec(20)})
		}, sec(20), Kill, LeaseOver},
		"armed without a session": {func(m *Machine) {
			m.On(Message{Kind: Disarm, Epoch: 7})
			m.On(Message{Kind: Arm, Epoch: 8, Hard: sec(20)})
		}, sec(20), Nothing, NoReason},
	} {
		t.Run(name, func(t *testing.T) {
			m := armed()
			if c.with != nil {
				c.with(m)
			}
			if order, why := m.Next(c.at); order != c.order || why != c.why {
				t.Errorf("got order %d for %q, want %d for %q", order, why, c.order, c.why)
			}
		})
	}
}

// Whatever messages come: while something is armed, the kill comes at the
// deadline at the latest, and never before unless the agent is gone.
func TestTheKillIsNeitherMissedNorEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := armed()
		now := start
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				m.AgentGone(now)
			case 1:
				m.AgentThere()
			default:
				m.On(Message{
					Kind:    Kind(rapid.IntRange(0, 6).Draw(t, "kind")),
					Epoch:   cluster.Epoch(rapid.IntRange(0, 10).Draw(t, "epoch")),
					Session: int64(rapid.IntRange(0, 2).Draw(t, "session")),
					Hard:    now.Add(time.Duration(rapid.IntRange(-1000, 20000).Draw(t, "hard ms")) * time.Millisecond),
				})
			}
			order, _ := m.Next(now)
			due := m.armed && (now >= m.hard || (!m.there && now >= m.goneSince.Add(m.Wait)))
			if due != (order == Kill) {
				t.Fatalf("order %d with armed %v, hard in %v, agent there %v", order, m.armed, m.hard.Sub(now), m.there)
			}
			if at := m.Deadline(); m.armed && (at == 0 || at > m.hard) {
				t.Fatalf("armed until %v, but woken at %v", m.hard, at)
			}
		}
	})
}

func TestPackets(t *testing.T) {
	msg := Message{Kind: Renew, Seq: 9, Epoch: 1 << 40, Session: -3, Hard: start}
	if got, err := parseMessage(msg.append(nil)); err != nil || got != msg {
		t.Errorf("got %+v (%v), want %+v", got, err, msg)
	}
	reply := Reply{Seq: 9, Refused: true, Armed: true, Epoch: 1 << 40, Hard: start, Kills: 3, Why: AgentGone, Gone: 2, Spent: -4}
	if got, err := parseReply(reply.append(nil)); err != nil || got != reply {
		t.Errorf("got %+v (%v), want %+v", got, err, reply)
	}
	reply.Gone = 0
	if got, err := parseReply(reply.append(nil)[:replySize]); err != nil || got != reply {
		t.Errorf("a reply of an earlier version: got %+v (%v), want %+v", got, err, reply)
	}
	if _, err := parseMessage(make([]byte, 3)); err == nil {
		t.Error("a short packet was taken")
	}
	if got, err := parseMessage(append(msg.append(nil), 1, 2, 3)); err != nil || got != msg {
		t.Errorf("a packet of a later version: got %+v (%v), want %+v", got, err, msg)
	}
}
