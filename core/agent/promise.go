package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// Why this node does not promise a leader that lost the store not to race.
var (
	ErrFailsafeOff = errors.New("failsafe_mode is off")
	ErrLeading     = errors.New("this node is primary, holds the lock, or is about to take it")
	ErrPromised    = errors.New("this node has promised")
)

// FailsafeGrant is what a leader that lost the store is promised.
type FailsafeGrant struct {
	// For is how long this node will not race.
	For time.Duration
	// LSN is the last known position here.
	LSN cluster.LSN
}

// promises keeps this node's word not to lead. REST requests give it, beside
// the loop: a round of the loop may take longer than a leader can wait.
type promises struct {
	mu sync.Mutex
	// claimed means that the loop is taking the lock or making PostgreSQL
	// primary right now.
	claimed bool
	given   decide.Promise

	saving sync.Mutex // one save at a time, in order
}

// current is the last promise, whether or not it still holds.
func (p *promises) current() decide.Promise {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given
}

// claim is asked for before this node takes the lock or becomes primary. It
// reports false if the view was older than a promise. Until unclaim, no
// promise is given.
func (p *promises) claim(v *decide.View) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claimed = p.given == v.Promise
	return p.claimed
}

// unclaim is for when the outcome can be seen in the lease or in PostgreSQL.
func (p *promises) unclaim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claimed = false
}

// give records a promise unless leads says that this node leads, or a promise
// to another holds. Only a leader that is known to be later may take its place:
// who wakes up and believes to lead would get the word, and the standbys, of the
// one that does.
func (p *promises) give(next decide.Promise, now lease.Instant, leads func() bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claimed || leads() {
		return ErrLeading
	}
	if p.given.To != next.To && now.Before(p.given.Until) && next.Epoch <= p.given.Epoch {
		return fmt.Errorf("%w %s", ErrPromised, p.given.To)
	}
	p.given = next
	return nil
}

// Failsafe promises the leader of that name, which lost the store, that this
// node will neither take the lock nor become primary for a ttl. The promise
// is on disk when it returns. It returns ErrFailsafeOff, ErrLeading,
// ErrPromised or why else there is none.
func (a *Agent) Failsafe(_ context.Context, call FailsafeCall) (FailsafeGrant, error) {
	st := a.status.Load()
	switch leader := st.Cluster.LeaderName(); {
	case !st.Settings.FailsafeMode:
		return FailsafeGrant{}, ErrFailsafeOff
	case call.Name == a.o.Name:
		return FailsafeGrant{}, fmt.Errorf("%s is this node's own name", call.Name)
	case !a.observed.Load():
		return FailsafeGrant{}, errors.New("this agent has not looked at its PostgreSQL yet")
	case leader != "" && leader != call.Name:
		return FailsafeGrant{}, fmt.Errorf("the leader is %s", leader)
	}
	next := decide.Promise{To: call.Name, Epoch: a.epochOf(call.Name, st), Until: a.now().Add(st.Settings.TTL), ConnURL: call.ConnURL}
	a.promises.saving.Lock()
	defer a.promises.saving.Unlock()
	leads := func() bool { return a.writable.Load() || a.o.Store.Lease().Held() }
	old := a.promises.current()
	if err := a.promises.give(next, a.now(), leads); err != nil {
		return FailsafeGrant{}, err
	}
	a.keeper.slots.promised.Store(&call.Slots)
	if old.To != next.To || old.Until.Before(a.now()) {
		a.log.Warn("promised a leader that lost the store not to race", "leader", next.To, "for", st.Settings.TTL)
		a.Wake()
	}
	if a.o.SavePromise != nil {
		if err := a.o.SavePromise(next, st.Settings.TTL); err != nil {
			return FailsafeGrant{}, fmt.Errorf("keep the promise on disk: %w", err)
		}
	}
	return FailsafeGrant{For: st.Settings.TTL, LSN: st.Instance.Position()}, nil
}

// epochOf is the epoch of that leader, if this node knows it; else 0.
func (a *Agent) epochOf(leader string, st *cluster.NodeStatus) cluster.Epoch {
	if c := st.Cluster; c != nil && c.Leader != nil && c.Leader.Name == leader {
		return c.Leader.Epoch
	}
	if last := a.promises.current(); last.To == leader {
		return last.Epoch
	}
	return 0
}

// claims reports that the verb may make this node the leader.
func claims(v decide.Verb) bool {
	switch v {
	case decide.Acquire, decide.Bootstrap, decide.Promote, decide.StartPrimary:
		return true
	}
	return false
}
