package fence

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Kind is what the agent says.
type Kind uint8

// The kinds. Arm begins an epoch, also after a takeover; Renew prolongs it;
// Disarm is for when PostgreSQL is down or in recovery, and for pause; Quit
// ends the fence. Hello asks how things are, and says that the agent is there.
const (
	Hello Kind = iota + 1
	Arm
	Renew
	Disarm
	Quit
)

// Message is what the agent sends: one packet each, answered by one Reply.
type Message struct {
	Kind  Kind
	Seq   uint32
	Epoch cluster.Epoch
	// Session is the ZooKeeper session that owns the leader znode of Epoch; of
	// Arm only.
	Session int64
	// Hard is the instant on the boot-time clock at which PostgreSQL is killed.
	Hard lease.Instant
}

// Reply is the fence's answer to the message of the same Seq.
type Reply struct {
	Seq uint32
	// Refused means that the message was of an older epoch or a spent session,
	// or prolonged what is not armed, and that nothing was changed.
	Refused bool
	Armed   bool
	Epoch   cluster.Epoch
	Hard    lease.Instant
	// Kills is how often PostgreSQL was killed since the fence started, and
	// Why the reason of the last time.
	Kills uint32
	Why   Reason
	// Gone is how many of Kills had the reason AgentGone.
	Gone uint32
	// Spent is the ZooKeeper session that PostgreSQL was killed for the last
	// time, 0 if it never was: the fence closes it, and arms nothing for it.
	Spent int64
}

// Reason is why PostgreSQL was killed.
type Reason uint8

// The reasons.
const (
	NoReason Reason = iota
	LeaseOver
	AgentGone
)

// String is the reason in words.
func (r Reason) String() string {
	switch r {
	case LeaseOver:
		return "the lease ran out"
	case AgentGone:
		return "the agent is gone and no other took over"
	}
	return ""
}

const (
	messageSize = 1 + 4 + 8 + 8 + 8
	replySize   = 4 + 1 + 1 + 8 + 8 + 4 + 1 + 8 // without Gone, which older fences do not send
	// packetSize is what is read at most: later versions may append fields,
	// so that an agent and a fence of different versions understand each other.
	packetSize = 256
)

var errSize = errors.New("packet of the wrong size")

// append writes m to b, without allocation if b has room.
func (m Message) append(b []byte) []byte {
	b = append(b, byte(m.Kind))
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Hard))
	return binary.BigEndian.AppendUint64(b, uint64(m.Session))
}

func parseMessage(b []byte) (Message, error) {
	if len(b) < messageSize {
		return Message{}, fmt.Errorf("read message: %w", errSize)
	}
	return Message{
		Kind: Kind(b[0]), Seq: binary.BigEndian.Uint32(b[1:]),
		Epoch: cluster.Epoch(binary.BigEndian.Uint64(b[5:])), Hard: lease.Instant(binary.BigEndian.Uint64(b[13:])),
		Session: int64(binary.BigEndian.Uint64(b[21:])),
	}, nil
}

func (r Reply) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.Seq)
	b = append(b, flag(r.Refused), flag(r.Armed))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Hard))
	b = binary.BigEndian.AppendUint32(b, r.Kills)
	b = append(b, byte(r.Why))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Spent))
	return binary.BigEndian.AppendUint32(b, r.Gone)
}

func parseReply(b []byte) (Reply, error) {
	if len(b) < replySize {
		return Reply{}, fmt.Errorf("read reply: %w", errSize)
	}
	r := Reply{
		Seq: binary.BigEndian.Uint32(b), Refused: b[4] != 0, Armed: b[5] != 0,
		Epoch: cluster.Epoch(binary.BigEndian.Uint64(b[6:])), Hard: lease.Instant(binary.BigEndian.Uint64(b[14:])),
		Kills: binary.BigEndian.Uint32(b[22:]), Why: Reason(b[26]),
		Spent: int64(binary.BigEndian.Uint64(b[27:])),
	}
	if len(b) >= replySize+4 {
		r.Gone = binary.BigEndian.Uint32(b[replySize:])
	}
	return r, nil
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}
