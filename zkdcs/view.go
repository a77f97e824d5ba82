package zkdcs

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// watched are the keys that are read with a watch. The status key changes
// every few seconds and is read along with any other.
var watched = []string{keyLeader, keyConfig, keyFailover, keySync, keyInitialize, keyHistory, keyFailsafe}

// memberPace is the least time between two wake-ups by changed member keys.
// They change with every round of every member: waking each other at once,
// the members would never rest.
const memberPace = time.Second

// view is the cache of what the watch connection has read.
type view struct {
	paths paths
	self  string // key of the own member
	wake  func() // called when something has become stale; must not block
	reads atomic.Int64
	turn  chan struct{} // holds a value while a Load refreshes

	mu     sync.Mutex
	link   *link         // nil while disconnected
	isUp   chan struct{} // closed when link is set
	keys   map[string]*entry
	result *cluster.Cluster
	// memberWake is when a changed member key last woke, or will.
	memberWake time.Time
}

// entry is the state of one key.
type entry struct {
	node  znode
	dirty bool
	// armed means that a watch is set: arming it twice would leak.
	armed bool
	// events counts what happened, to tell whether an answer is outdated.
	events int
}

func newView(p paths, name string, wake func()) *view {
	v := &view{paths: p, self: keyMembers + "/" + name, wake: wake, turn: make(chan struct{}, 1), isUp: make(chan struct{})}
	v.forget()
	return v
}

// forget starts from nothing. v.mu is held, or v is not shared yet.
func (v *view) forget() {
	v.keys = map[string]*entry{}
	for _, k := range watched {
		v.keys[k] = &entry{dirty: true}
	}
	v.keys[keyMembers] = &entry{dirty: true}
	v.keys[keyStatus] = &entry{dirty: true}
}

// up begins to use l, on which no watch is set.
func (v *view) up(l *link) {
	v.mu.Lock()
	v.forget()
	v.link = l
	close(v.isUp)
	v.mu.Unlock()
	v.wake()
}

// down ends the use of the present link.
func (v *view) down() {
	v.mu.Lock()
	if v.link != nil {
		v.link = nil
		v.isUp = make(chan struct{})
	}
	v.mu.Unlock()
	v.wake()
}

// fired takes a watch event of l. It runs inside the client's goroutine.
func (v *view) fired(l *link, e zk.Event) {
	key, ok := v.paths.key(e.Path)
	if !ok {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// An event may come before up has been called: nothing is cached then.
	n := v.keys[key]
	if v.link != l || n == nil || key == keyMembers && e.Type == zk.EventNodeDataChanged {
		return
	}
	n.events++
	n.armed, n.dirty = false, true
	v.announce(key)
}

// announce wakes the reader, for changed member keys at most once in
// memberPace and never for the own one. v.mu is held.
func (v *view) announce(key string) {
	if !isMember(key) {
		v.wake()
		return
	}
	now := time.Now()
	if key == v.self || v.memberWake.After(now) {
		return
	}
	wait := max(0, v.memberWake.Add(memberPace).Sub(now))
	v.memberWake = now.Add(wait)
	if wait == 0 {
		v.wake()
		return
	}
	time.AfterFunc(wait, v.wake)
}

// touch makes keys be read again though no watch has fired, because this
// store has just written them.
func (v *view) touch(keys ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range keys {
		if n := v.keys[k]; n != nil {
			n.events++
			n.dirty = true
		}
	}
}

// invalidate makes everything be read again.
func (v *view) invalidate() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.keys {
		n.events++
		n.dirty = true
	}
}

// task is one key to read.
type task struct {
	key    string
	arm    bool // set a watch with the read
	events int
}

// tasks are the reads that make l's view fresh; none if it is. Status is read
// with any other key, but does not count by itself unless it was touched.
func (v *view) tasks(l *link) (list []task, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.link != l {
		return nil, false
	}
	for key, n := range v.keys {
		if !n.dirty || key == keyStatus {
			continue
		}
		list = append(list, task{key: key, arm: !n.armed, events: n.events})
		n.armed = true // put back if the read does not set it
	}
	if status := v.keys[keyStatus]; len(list) > 0 || status.dirty {
		list = append(list, task{key: keyStatus, events: status.events})
	}
	return list, true
}

// reading is the answer to a task.
type reading struct {
	task
	node  znode
	names []string
	armed bool
}

// store takes the answers over. It returns false if they came from a link
// that is not in use any more.
func (v *view) store(l *link, list []reading) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.link != l {
		return false
	}
	for _, r := range list {
		n := v.keys[r.key]
		if n == nil {
			continue // a member that has left
		}
		n.node = r.node
		if r.arm && !r.armed {
			n.armed = false
		}
		// A member that vanished between listing and read stays dirty: only
		// the list will tell whether it has come back. So does one that may not
		// be read, unless a watch tells of its changes.
		if n.events == r.events && (r.node.exists || !isMember(r.key)) && (n.armed || !r.node.denied) {
			n.dirty = false
		}
		if r.key == keyMembers {
			v.setMembers(r.names)
		}
	}
	return true
}

// setMembers keeps one entry for each member. v.mu is held.
func (v *view) setMembers(names []string) {
	present := map[string]bool{}
	for _, name := range names {
		key := keyMembers + "/" + name
		present[key] = true
		if v.keys[key] == nil {
			v.keys[key] = &entry{dirty: true}
		}
	}
	for key := range v.keys {
		if isMember(key) && !present[key] {
			delete(v.keys, key)
		}
	}
}

// failed puts back what tasks has noted about watches.
func (v *view) failed(l *link, list []task) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range list {
		if n := v.keys[t.key]; v.link == l && n != nil && t.arm {
			n.armed = false
		}
	}
}

func isMember(key string) bool { return strings.HasPrefix(key, keyMembers+"/") }

// snapshot copies the raw nodes for parsing.
func (v *view) snapshot() map[string]znode {
	v.mu.Lock()
	defer v.mu.Unlock()
	nodes := make(map[string]znode, len(v.keys))
	for key, n := range v.keys {
		nodes[key] = n.node
	}
	return nodes
}
