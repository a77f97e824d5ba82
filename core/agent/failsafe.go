package agent

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// How often it is looked whether the other members must be asked: often for a
// leader in failsafe mode, else just to see whether that has changed.
const (
	failsafeEvery = 100 * time.Millisecond
	failsafeIdle  = time.Second
)

// failsafe carries the lease of a leader on while the store is silent, by the
// promise of every other member not to race (failsafe_mode). It runs beside
// the loop, because the members must be asked well before the lease is over.
type failsafe struct {
	a *Agent
	// held is the right that the last answers gave; nil: none.
	held atomic.Pointer[lease.Failsafe]
	// ground is what the loop lets it work with.
	ground atomic.Pointer[failsafeGround]
	// written is what this leader is writing, or has written, to the failsafe
	// key and not yet read back; nil: nothing. Members in it count as well,
	// since they may race as soon as they are in the key.
	written atomic.Pointer[map[string]string]
	// until is the latest hard deadline that promises ever gave: the fence goes
	// by it to the end, whatever else is proven, because it never shortens.
	until atomic.Int64

	// allowed has a value when the loop lets it ask.
	allowed chan struct{}

	// Owned by run:
	asked   lease.Instant
	refused string // by whom and why, as last logged
}

// failsafeGround is made by the loop at the end of each round.
type failsafeGround struct {
	// on means that this leader may ask.
	on bool
	// topology is the failsafe key as last read.
	topology map[string]string
	ttl      time.Duration
	call     FailsafeCall
}

// right is the right that is held, the zero value if none.
func (f *failsafe) right() lease.Failsafe {
	if p := f.held.Load(); p != nil {
		return *p
	}
	return lease.Failsafe{}
}

// hard is the later of the hard deadlines of l and of what carries it on.
func (a *Agent) hard(l lease.Lease) lease.Instant { return lease.Latest(l, a.failsafe.right()) }

func (f *failsafe) run(ctx context.Context) {
	timer := time.NewTimer(failsafeIdle)
	defer timer.Stop()
	for {
		if pause := f.pause(); pause > 0 {
			timer.Reset(pause)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.allowed:
		}
		l, g := f.a.o.Store.Lease(), f.ground.Load()
		f.expire(l)
		if g != nil && g.on && f.a.writable.Load() && f.due(f.a.now(), l, g.ttl) {
			f.ask(ctx, l, *g)
		}
	}
}

// pause is until it must be looked again; 0: not before it may ask.
func (f *failsafe) pause() time.Duration {
	l, g := f.a.o.Store.Lease(), f.ground.Load()
	switch {
	case f.right().Epoch != 0 || g != nil && g.on && l.Held():
		return failsafeEvery
	case g == nil || !g.on:
		return 0
	}
	return failsafeIdle
}

// expire ends a right whose lease is over, or has been renewed since.
func (f *failsafe) expire(l lease.Lease) {
	switch held := f.right(); {
	case held.Epoch == 0:
	case held.Epoch != l.Epoch:
		f.held.Store(nil)
		f.a.Wake()
	case held.Asked.Before(l.Sent):
		f.held.Store(nil)
		f.a.log.Info("the store has renewed the lease: the members' promises are not needed any more", "epoch", int64(l.Epoch))
		f.a.Wake()
	}
}

// due reports that the store has not renewed l for so long that the members
// must be asked now. What was asked before the last renewal does not put it
// off: the lease may not last until then.
func (f *failsafe) due(now lease.Instant, l lease.Lease, ttl time.Duration) bool {
	return l.Held() && now.Sub(l.Sent) >= l.AskAfter() && (f.asked.Before(l.Sent) || now.Sub(f.asked) >= lease.AskEvery(ttl))
}

// ask asks all other members once. What they answer counts only if all agree,
// and only if the right to be primary did not end meanwhile.
func (f *failsafe) ask(ctx context.Context, l lease.Lease, g failsafeGround) {
	f.asked = f.a.now()
	targets, why := f.targets(g.topology)
	var promises []lease.Promise
	if why == "" && len(targets) > 0 {
		promises, why = unanimous(f.a.o.Peers.Failsafe(ctx, targets, g.call), len(targets), f.asked, g.ttl)
	}
	now, held := f.a.now(), f.right()
	if why == "" && !l.Valid(now) && !held.Carries(l, now) {
		why = "the answers came after the end of the lease"
	}
	if why != "" {
		f.refuse(why)
		return
	}
	next := lease.NewFailsafe(l.Epoch, f.asked, g.ttl, promises)
	if f.a.o.Store.Lease().Epoch != l.Epoch || next.Hard().Before(held.Hard()) && held.Epoch == l.Epoch {
		return
	}
	f.until.Store(max(f.until.Load(), int64(next.Hard())))
	f.held.Store(&next)
	if held.Epoch != l.Epoch || f.refused != "" {
		f.a.log.Warn("the store does not renew the lease; all members have promised not to race",
			"members", len(targets), "epoch", int64(l.Epoch), "for", next.Soft().Sub(now).Round(time.Millisecond))
		f.a.Wake()
	}
	f.refused = ""
}

// refuse notes that there is no new promise; those that were given hold on.
func (f *failsafe) refuse(why string) {
	if f.refused != why {
		f.a.log.Warn("the store does not renew the lease, and not all members promise not to race", "reason", why)
	}
	f.refused = why
}

// targets are all members that may race, but this one. The second result says
// why they are not known: while the key cannot be read, anybody may race.
func (f *failsafe) targets(topology map[string]string) (map[string]string, string) {
	if topology[f.a.o.Name] == "" {
		return nil, "the failsafe key does not name this leader"
	}
	all := maps.Clone(topology)
	if p := f.written.Load(); p != nil {
		maps.Copy(all, *p)
	}
	delete(all, f.a.o.Name)
	return all, ""
}

// unanimous turns answers into promises, or says who gave none.
func unanimous(answers []FailsafeAnswer, want int, sent lease.Instant, ttl time.Duration) ([]lease.Promise, string) {
	var promises []lease.Promise
	var refusals []string
	for _, a := range answers {
		if !a.Accepted {
			refusals = append(refusals, a.Name+": "+a.Err)
			continue
		}
		p := lease.Promise{Sent: sent, For: ttl}
		if a.For > 0 {
			p.For = a.For
		}
		promises = append(promises, p)
	}
	if len(refusals) > 0 {
		return nil, strings.Join(refusals, "; ")
	}
	if len(promises) != want {
		return nil, fmt.Sprintf("%d answers, want %d", len(promises), want)
	}
	return promises, ""
}

// prepareFailsafe tells the asker what it may work with. Somebody else's lock,
// or a lock that is free, ends it.
func (a *Agent) prepareFailsafe() {
	s := &a.s
	g := &failsafeGround{on: s.settings.FailsafeMode && !s.settings.Pause && s.cluster != nil, ttl: s.settings.TTL}
	if g.on && s.storeErr == "" {
		g.on = s.cluster.Leader != nil && s.cluster.Leader.Epoch == a.o.Store.Lease().Epoch
	}
	if g.on {
		g.topology = s.cluster.Failsafe
		g.call = FailsafeCall{Name: a.o.Name, ConnURL: a.o.ConnURL, APIURL: a.api(), Slots: a.keeper.slots.positions(a.o.Store.Lease(), s.cluster)}
		g.call.Slots[cluster.SlotName(a.o.Name)] = s.instance.Position()
	}
	if was := a.failsafe.ground.Swap(g); g.on && (was == nil || !was.on) {
		signal(a.failsafe.allowed)
	}
}

// carried is the soft deadline of the promises that carry l on; 0 if they do
// not, by the same terms on which it is decided.
func (a *Agent) carried(l lease.Lease, now lease.Instant) lease.Instant {
	v := decide.View{
		Now: now, Lease: l, Failsafe: a.failsafe.right(), Cluster: a.s.cluster, StoreErr: a.s.storeErr,
		Instance: a.s.instance, Settings: a.s.settings,
	}
	if !v.Carried() {
		return 0
	}
	return v.Failsafe.Soft()
}

// noteListed remembers the failsafe key for when somebody has made it
// unreadable.
func (h *housekeeper) noteListed(c *cluster.Cluster) {
	if c.Failsafe != nil {
		h.listed = c.Failsafe
	}
}

// writeFailsafe keeps the failsafe key at all members of the view.
func (h *housekeeper) writeFailsafe(ctx context.Context, v *decide.View) error {
	want := map[string]string{v.Self: h.a.api()}
	for _, m := range v.Cluster.Members {
		if m.Data.APIURL != "" && m.Name != v.Self {
			want[m.Name] = m.Data.APIURL
		}
	}
	if now := h.a.now(); now.Before(max(lease.Instant(h.a.failsafe.until.Load()), lease.Instant(h.a.feeder.adoptedUntil.Load()))) {
		// Promises may carry PostgreSQL on until then, should this agent stop
		// now. Who gave none must not be listed: it might race.
		maps.DeleteFunc(want, func(name, _ string) bool { return name != v.Self && h.listed[name] == "" })
	}
	if maps.Equal(want, v.Cluster.Failsafe) {
		h.a.failsafe.written.Store(nil)
		return nil
	}
	h.a.failsafe.written.Store(&want)
	return h.a.o.Store.SetFailsafe(ctx, want)
}
