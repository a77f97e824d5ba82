package fence

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Machine is the fence's state: what is armed until when, and whether the
// agent is there. It is pure; the zero value has nothing armed and an agent
// that is gone since ever.
type Machine struct {
	// Wait is how long a gone agent is waited for, bounded by the hard
	// deadline.
	Wait time.Duration
	// Spent is the session that the last kill was for, 0 if none was: of this
	// fence, or at its start of a former one. It is being closed, which may
	// take effect at any later moment: nothing that rests on it can be armed
	// again.
	Spent int64

	armed   bool
	epoch   cluster.Epoch
	session int64 // that owns the leader znode of epoch
	hard    lease.Instant
	// there means that an agent is connected; goneSince is since when none is.
	there     bool
	goneSince lease.Instant
	quit      bool
	kills     uint32
	gone      uint32 // of kills, because the agent was gone
	why       Reason
}

// On takes a message over.
func (m *Machine) On(msg Message) Reply {
	refused := false
	switch msg.Kind {
	case Arm:
		switch {
		case m.outdated(msg), msg.Epoch == 0, msg.Session == 0, msg.Session == m.Spent:
			refused = true
		case msg.Epoch == m.epoch && m.armed:
			m.hard = max(m.hard, msg.Hard) // within an epoch the deadline only grows
		default:
			m.armed, m.epoch, m.session, m.hard = true, msg.Epoch, msg.Session, msg.Hard
		}
	case Renew:
		if refused = !m.armed || msg.Epoch != m.epoch; !refused {
			m.hard = max(m.hard, msg.Hard)
		}
	case Disarm:
		if refused = msg.Epoch < m.epoch && m.armed; !refused {
			m.armed = false
		}
	case Quit:
		m.quit = !m.armed
		refused = m.armed
	case Hello:
	default:
		refused = true
	}
	return Reply{Seq: msg.Seq, Refused: refused, Armed: m.armed, Epoch: m.epoch, Hard: m.hard, Kills: m.kills, Why: m.why, Gone: m.gone, Spent: m.Spent}
}

// outdated reports an epoch before the last one. A ZooKeeper that was restored
// to an older state counts from there again: then the epoch is of a later
// session, and nothing is armed any more.
func (m *Machine) outdated(msg Message) bool {
	return msg.Epoch < m.epoch && (m.armed || msg.Session == m.session)
}

// AgentThere notes that an agent has connected. It has another mind than one
// that sent Quit.
func (m *Machine) AgentThere() { m.there, m.quit = true, false }

// AgentGone notes that the agent's connection has ended.
func (m *Machine) AgentGone(now lease.Instant) {
	if m.there || m.goneSince == 0 {
		m.there, m.goneSince = false, now
	}
}

// Deadline is when Next has to be asked at the latest; 0: not without a
// message.
func (m *Machine) Deadline() lease.Instant {
	var at lease.Instant
	if m.armed {
		at = m.hard
	}
	if !m.there {
		gone := m.goneSince.Add(m.Wait)
		if at == 0 || gone < at {
			at = gone
		}
	}
	return at
}

// Order is what the process has to do.
type Order uint8

// The orders. Kill is followed by Killed. Exit ends the fence.
const (
	Nothing Order = iota
	Kill
	Exit
)

// Next is what to do at now.
func (m *Machine) Next(now lease.Instant) (Order, Reason) {
	gone := !m.there && now >= m.goneSince.Add(m.Wait)
	switch {
	case m.armed && now >= m.hard:
		return Kill, LeaseOver
	case m.armed && gone:
		return Kill, AgentGone
	case m.quit, gone && !m.armed:
		return Exit, NoReason
	}
	return Nothing, NoReason
}

// Killed notes that PostgreSQL has been killed: nothing is armed any more. It
// returns the session to close. No epoch of that session can be armed again,
// although ZooKeeper may prove it anew: the agent has to begin another.
func (m *Machine) Killed(why Reason) (session int64) {
	m.armed, m.why, m.Spent = false, why, m.session
	m.kills++
	if why == AgentGone {
		m.gone++
	}
	return m.Spent
}
