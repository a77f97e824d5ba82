package agent

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Fence is the process that stops PostgreSQL at the hard deadline of the
// lease, whatever happens to this agent. core/fence implements it.
type Fence interface {
	// Connect finds the fence that a former agent left, or starts one. It
	// returns what that fence has armed: until when PostgreSQL may write in
	// which epoch; zeros if nothing is.
	Connect(ctx context.Context) (cluster.Epoch, lease.Instant, error)
	// Ready reports that a fence is connected.
	Ready() bool
	// Spent is the ZooKeeper session that it has killed PostgreSQL for, as far
	// as is known; 0: none. It is ended, and nothing is armed for it again.
	Spent() int64
	// Arm must succeed before PostgreSQL becomes writable; session owns the
	// leader znode of epoch. Renew prolongs.
	Arm(epoch cluster.Epoch, session int64, hard lease.Instant) error
	Renew(epoch cluster.Epoch, hard lease.Instant) error
	// Disarm is for when PostgreSQL is down or in recovery, and for pause.
	Disarm(epoch cluster.Epoch) error
	// Quit ends the fence; it is refused while it is armed.
	Quit() error
}

const (
	// feedEvery is how often the fence is told a new deadline, feedIdle how often
	// it is looked after while there is nothing to tell.
	feedEvery = 500 * time.Millisecond
	feedIdle  = 2 * time.Second
	// feedLate is that shortly before the deadline that it knows.
	feedLate = 25 * time.Millisecond
	// fenceStart bounds the start of a fence process.
	fenceStart = 3 * time.Second
)

// feeder keeps the fence alive and told. It runs beside the loop: neither
// holds the other up.
type feeder struct {
	a *Agent
	// lostSince is since when there is no fence; 0: there is one. refusedSince
	// is since when it does not take the deadline of a server that may accept
	// writes, which is as good as none; 0: it does.
	lostSince    atomic.Int64
	refusedSince atomic.Int64
	// adoptedUntil is until when the fence that was found lets an adopted
	// PostgreSQL write.
	adoptedUntil atomic.Int64
	found        chan struct{} // closed when the first look for a fence is over
	wanted       chan struct{} // has a value when there is something to tell at once

	// Owned by run:
	armed cluster.Epoch // 0: not armed
	told  lease.Instant
	// changed is taken before a word to the fence, so that Arm of a job and
	// the feeder do not cross.
	mu chan struct{}
}

func newFeeder(a *Agent) *feeder {
	f := &feeder{a: a, found: make(chan struct{}), wanted: make(chan struct{}, 1), mu: make(chan struct{}, 1)}
	f.lostSince.Store(int64(a.now()))
	return f
}

// run feeds the fence until ctx ends.
func (f *feeder) run(ctx context.Context) {
	if f.a.o.Fence == nil {
		f.lostSince.Store(0)
		close(f.found)
		return
	}
	f.connect(ctx)
	close(f.found)
	timer := time.NewTimer(feedEvery)
	defer timer.Stop()
	for {
		timer.Reset(f.pause())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.wanted:
		}
		if !f.a.o.Fence.Ready() {
			f.lost()
			f.connect(ctx)
		}
		f.feed()
		f.leaveSpent()
	}
}

// leaveSpent begins another session when the fence has killed for the present
// one: its end is under way, and may take effect when nobody expects it.
func (f *feeder) leaveSpent() {
	spent := f.a.o.Fence.Spent()
	writable := f.a.writable.Load()
	if spent == 0 || spent != f.a.o.Store.SessionID() || writable && f.a.paused.Load() { // in pause nothing is stopped
		return
	}
	if writable { // not known to be dead yet, or started by somebody else
		f.a.o.Store.Abandon()
	} else {
		f.a.log.Warn("the fence has killed PostgreSQL: beginning a new ZooKeeper session")
		f.a.o.Store.DropSession(spent)
	}
	f.a.Wake()
}

// pause is until the fence is told again: sooner when it is about to kill,
// since the lease may be proven in the last moment.
func (f *feeder) pause() time.Duration {
	f.lock()
	defer f.unlock()
	switch {
	case f.armed != 0 && f.told.Sub(f.a.now()) < 2*feedEvery:
		return feedLate
	case f.armed == 0 && f.missing() == 0 && !f.a.writable.Load():
		return feedIdle // setWritable ends it
	}
	return feedEvery
}

func (f *feeder) lock()   { f.mu <- struct{}{} }
func (f *feeder) unlock() { <-f.mu }

// connect finds or starts a fence.
func (f *feeder) connect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fenceStart)
	defer cancel()
	epoch, hard, err := f.a.o.Fence.Connect(ctx)
	if err != nil {
		f.a.log.Error("no fence process", "err", err)
		return
	}
	if epoch != 0 {
		f.lock()
		f.armed, f.told = epoch, hard
		f.unlock()
		f.adoptedUntil.Store(int64(hard))
		f.a.log.Info("took over the fence of the former agent", "kills_in", hard.Sub(f.a.now()).Round(time.Millisecond))
	}
	f.a.counters.fenceStarts.Add(1)
	f.lostSince.Store(0)
	f.a.Wake()
}

// lost notes that the fence is gone.
func (f *feeder) lost() {
	f.lock()
	f.armed, f.told = 0, 0
	f.unlock()
	if f.lostSince.CompareAndSwap(0, int64(f.a.now())) {
		f.a.log.Error("the fence process is gone; starting another")
		f.a.Wake()
	}
}

// feed says what has changed.
func (f *feeder) feed() {
	f.lock()
	defer f.unlock()
	l := f.a.o.Store.Lease()
	guarded := f.a.writable.Load() && !f.a.paused.Load()
	var err error
	switch {
	case guarded && l.Held():
		if err = f.tell(l, f.a.hard(l)); err != nil {
			f.refusedSince.CompareAndSwap(0, int64(f.a.now()))
		}
	case !guarded && f.armed != 0 && f.a.observed.Load():
		if err = f.a.o.Fence.Disarm(f.armed); err == nil {
			f.armed, f.told = 0, 0
		}
	}
	if err != nil {
		f.a.log.Warn("tell the fence", "err", err)
		return
	}
	f.refusedSince.Store(0)
}

// missing is since when nothing but the agent would stop PostgreSQL; 0: the
// fence would.
func (f *feeder) missing() lease.Instant {
	if since := f.lostSince.Load(); since != 0 {
		return lease.Instant(since)
	}
	return lease.Instant(f.refusedSince.Load())
}

// tell arms the fence, or prolongs. The caller holds mu.
func (f *feeder) tell(l lease.Lease, hard lease.Instant) error {
	epoch := l.Epoch
	if f.armed == epoch {
		if hard <= f.told {
			return nil
		}
		if err := f.a.o.Fence.Renew(epoch, hard); err == nil {
			f.told = hard
			return nil
		}
		f.armed = 0 // it has killed, or is another process: try to arm it anew
	}
	if err := f.a.o.Fence.Arm(epoch, l.Session, hard); err != nil {
		return err
	}
	if f.armed == 0 {
		f.a.log.Info("fence armed", "epoch", int64(epoch), "kills_in", hard.Sub(f.a.now()).Round(time.Millisecond))
	}
	f.armed, f.told = epoch, hard
	return nil
}

var errNoLease = errors.New("there is no valid lease")

// armFence must be called before PostgreSQL becomes writable.
func (a *Agent) armFence() error {
	l := a.o.Store.Lease()
	if now := a.now(); !l.Valid(now) && !a.failsafe.right().Carries(l, now) {
		return errNoLease
	}
	if a.o.Fence == nil {
		return nil
	}
	a.setWritable(true) // so that the feeder does not disarm what follows
	a.feeder.lock()
	defer a.feeder.unlock()
	if err := a.feeder.tell(l, a.hard(l)); err != nil {
		if spent := a.o.Fence.Spent(); !a.o.FenceRequired && (spent == 0 || spent != l.Session) {
			a.log.Warn("becoming primary without a fence", "err", err)
			return nil
		}
		return fmt.Errorf("arm the fence: %w", err)
	}
	return nil
}

// quitFence ends the fence after PostgreSQL has been stopped, or left alone
// in pause.
func (a *Agent) quitFence() {
	if a.o.Fence == nil {
		return
	}
	a.feeder.lock()
	defer a.feeder.unlock()
	if a.feeder.armed != 0 {
		if err := a.o.Fence.Disarm(a.feeder.armed); err != nil {
			a.log.Warn("disarm the fence", "err", err)
		}
		a.feeder.armed = 0
	}
	if err := a.o.Fence.Quit(); err != nil {
		a.log.Warn("end the fence", "err", err)
	}
}
