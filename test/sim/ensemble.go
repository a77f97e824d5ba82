package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

const servers = 3

// ensemble is the ZooKeeper model: one committed history, and servers that
// may be behind it or cut off from it. All is guarded by world.mu.
type ensemble struct {
	w    *world
	dice dice
	tick time.Duration

	zxid     int64
	lastID   int64
	sessions map[int64]*session

	lock       *cluster.Leader
	reign      cluster.Epoch // of the last acquisition
	members    map[string]*cluster.Member
	registered map[string]*registration
	// rest holds the persistent keys.
	rest cluster.Cluster
	// listed is the failsafe key as a leader last wrote it.
	listed map[string]string
	// spoilt are the persistent keys that cannot be understood.
	spoilt map[string]*spoilt
	// view is of the present state, and past are the views before, newest
	// last, for servers that are behind.
	view *cluster.Cluster
	past []snapshot

	leader int // which server is the ZooKeeper leader
	lag    [servers]time.Duration
	// cutSince is since when a server is cut off from the quorum; 0: it is not.
	cutSince [servers]time.Duration
	// stalled is until when nothing is answered; electing until when there is
	// no ZooKeeper leader. slow is added to each commit.
	stalled, electing time.Duration
	slow              time.Duration
	watchers          []*watchConn
}

type snapshot struct {
	until time.Duration
	view  *cluster.Cluster
}

// registration is the small ephemeral that renewals write to.
type registration struct {
	session  int64
	instance string
}

// session is the ensemble's side of a session.
type session struct {
	id      int64
	timeout time.Duration
	// touched is the last touch that the ZooKeeper leader knows of; relayed is
	// when it will know of a later one, 0 if there is none under way.
	touched, relayed time.Duration
	over             bool
	conn             *conn // that the session is attached through
	name             string
}

func newEnsemble(w *world, tick time.Duration) *ensemble {
	e := &ensemble{
		w: w, dice: w.dice("zookeeper"), tick: tick, zxid: 100, lastID: 1 << 40,
		sessions: map[int64]*session{}, members: map[string]*cluster.Member{}, registered: map[string]*registration{},
		spoilt: map[string]*spoilt{},
	}
	e.rest.Failover.Version, e.rest.Sync.Version, e.rest.Config.Version = cluster.NoVersion, cluster.NoVersion, cluster.NoVersion
	e.view = e.snapshot()
	for i := range e.lag {
		e.lag[i] = e.dice.between(0, 30*time.Millisecond)
	}
	return e
}

// changed commits values that were written to keys.
func (e *ensemble) changed(keys ...string) {
	for _, key := range keys {
		delete(e.spoilt, key)
	}
	e.publish(keys...)
}

// publish makes the present state what views show.
func (e *ensemble) publish(keys ...string) {
	now := e.w.now()
	e.past = append(e.past, snapshot{now, e.view})
	for len(e.past) > 1 && e.past[0].until < now-time.Minute {
		e.past = e.past[1:]
	}
	e.view = e.snapshot()
	for _, c := range e.watchers {
		c.fire(keys)
	}
}

func (e *ensemble) snapshot() *cluster.Cluster {
	c := e.rest
	c.Findings = e.findings()
	if e.lock != nil {
		l := *e.lock
		c.Leader = &l
	}
	if len(e.members) > 0 {
		c.Members = make([]cluster.Member, 0, len(e.members))
	}
	for _, m := range e.members {
		c.Members = append(c.Members, *m)
	}
	slices.SortFunc(c.Members, func(a, b cluster.Member) int { return strings.Compare(a.Name, b.Name) })
	return &c
}

// seen is the view of a server that shows the state at that time.
func (e *ensemble) seen(at time.Duration) *cluster.Cluster {
	for _, s := range e.past {
		if at < s.until {
			return s.view
		}
	}
	return e.view
}

// commit takes the next transaction id.
func (e *ensemble) commit() int64 {
	e.zxid++
	return e.zxid
}

// create starts a session that asks for that timeout.
func (e *ensemble) create(asked time.Duration, name string) *session {
	e.lastID++
	s := &session{id: e.lastID, timeout: min(max(asked, 2*e.tick), 20*e.tick), touched: e.w.now(), name: name}
	e.sessions[s.id] = s
	e.armExpiry(s)
	return s
}

// touch notes a sign of life that a server got. A follower tells the leader
// with its next answer to the leader's ping, every half tick.
func (e *ensemble) touch(s *session, server int) {
	now := e.w.now()
	switch {
	case e.cutSince[server] != 0:
		return
	case server == e.leader:
		s.touched = now
		return
	}
	if s.relayed != 0 && s.relayed <= now {
		s.touched, s.relayed = max(s.touched, s.relayed), 0
	}
	if s.relayed == 0 {
		half := e.tick / 2
		phase := half / servers * time.Duration(server)
		s.relayed = ((now-phase)/half+1)*half + phase
	}
}

// armExpiry looks at s again at the earliest time at which it may expire.
func (e *ensemble) armExpiry(s *session) {
	bucket := ((s.touched+s.timeout)/e.tick + 1) * e.tick
	bucket = max(bucket, e.stalled, e.electing)
	apart := time.Duration(s.id%1000) * time.Microsecond // one after the other
	e.w.after(bucket-e.w.now()+apart, func() { e.expireIfDue(s) })
}

func (e *ensemble) expireIfDue(s *session) {
	now := e.w.now()
	if s.over {
		return
	}
	// What was relayed while the leader was stalled waits behind the expiry.
	if s.relayed != 0 && s.relayed <= now && e.stalled != now && s.relayed > s.touched {
		s.touched, s.relayed = s.relayed, 0
	}
	if now < e.stalled || now < e.electing || now < ((s.touched+s.timeout)/e.tick+1)*e.tick {
		e.armExpiry(s)
		return
	}
	e.w.note("zk", "session of %s expired, last touched at %s, relayed at %s", s.name, stamp(s.touched), stamp(s.relayed))
	e.end(s)
}

// removeLeader deletes the leader znode while its session lives on.
func (e *ensemble) removeLeader() {
	e.w.note("zk", "somebody deletes the leader znode of %s, epoch %d", e.lock.Name, e.lock.Epoch)
	e.lock = nil
	e.commit()
	e.changed("leader")
}

// end removes a session and its ephemerals.
func (e *ensemble) end(s *session) {
	s.over = true
	delete(e.sessions, s.id)
	var keys []string
	if e.lock != nil && e.lock.Session == s.id {
		e.w.checkExpiry(s, e.lock)
		e.w.note("zk", "leader znode of %s, epoch %d, is gone", e.lock.Name, e.lock.Epoch)
		e.lock = nil
		keys = append(keys, "leader")
	}
	for name, m := range e.members {
		if m.Session == s.id {
			delete(e.members, name)
			keys = append(keys, "members")
		}
	}
	for name, r := range e.registered {
		if r.session == s.id {
			delete(e.registered, name)
		}
	}
	e.commit()
	if len(keys) > 0 {
		e.changed(keys...)
	}
}

// elect makes another server the ZooKeeper leader, which takes that long.
// Every session gets its full timeout from then, and all connections end.
func (e *ensemble) elect(takes time.Duration) {
	e.leader = (e.leader + 1 + e.dice.IntN(servers-1)) % servers
	e.electing = max(e.electing, e.w.now()+takes)
	e.zxid = (e.zxid>>32 + 1) << 32
	for _, n := range e.w.hosts() {
		if n.proc != nil {
			n.proc.store.dropAll()
		}
	}
	e.w.after(takes, func() {
		for _, s := range e.sessions {
			s.touched, s.relayed = e.w.now(), 0
		}
	})
}

// cutOff parts a server from the others. Its clients go on reading what it
// has, and it believes in their sessions, until it gives up after some ticks.
func (e *ensemble) cutOff(server int) {
	e.cutSince[server] = e.w.now()
	for _, s := range e.sessions {
		if s.conn != nil && s.conn.server == server && s.relayed > e.w.now() {
			s.relayed = 0
		}
	}
	if server == e.leader {
		e.elect(e.dice.between(200*time.Millisecond, 2*time.Second))
	}
	e.w.after(5*e.tick, func() { e.dropClients(server) })
}

// rejoin ends it.
func (e *ensemble) rejoin(server int) {
	e.cutSince[server] = 0
	e.dropClients(server)
}

func (e *ensemble) dropClients(server int) {
	for _, n := range e.w.hosts() {
		if n.proc != nil {
			n.proc.store.dropFrom(server)
		}
	}
}

// serves reports that the server can take new connections.
func (e *ensemble) serves(server int) bool {
	return e.cutSince[server] == 0 && e.w.now() >= e.electing
}

var serverNames = [servers]string{"zk0", "zk1", "zk2"}

func serverName(i int) string { return serverNames[i] }

// setFailover is the operator's write, past all agents.
func (e *ensemble) setFailover(f cluster.Failover) {
	f.Exists, f.Version = true, e.rest.Failover.Version+1
	if !e.rest.Failover.Exists {
		f.Version = 0
	}
	e.rest.Failover = f
	e.commit()
	e.changed("failover")
}
