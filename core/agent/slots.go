package agent

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// What bounds one round of the slot keeper. A primary creates a logical slot
// only after all transactions have ended that run then: it tries again later.
// A standby that was down for long may have much WAL to decode before a
// logical slot is advanced.
const (
	primarySlotLimit = 30 * time.Second
	standbySlotLimit = 10 * time.Minute
)

// slotWait is how long the leader's status key waits for the positions of its
// slots; then it is written with the last known ones.
const slotWait = time.Second

// copyAgain is the pause after logical slots could not be copied.
const copyAgain = 30 * time.Second

// slotKeeper keeps the replication slots of the local server as planned. Its
// rounds have their own goroutine, because what concerns logical slots can take
// long.
type slotKeeper struct {
	a *Agent
	// done is closed when the last round has ended, rounds is where the next one
	// goes; of the housekeeper.
	done   chan struct{}
	rounds chan func()
	// cancel ends the round under way, if any.
	cancel atomic.Pointer[context.CancelFunc]
	// last is the plan of the last round that went well.
	last atomic.Pointer[slotResult]
	// promised are the positions that a leader has told which lost the store.
	promised atomic.Pointer[map[string]cluster.LSN]

	// Owned by the round under way:
	memory decide.SlotMemory
	told   slotNews
	toldAt lease.Instant
	warned []string
}

type slotResult struct {
	epoch cluster.Epoch
	plan  decide.SlotPlan
}

// slotNews is what the loop has to know about the slots of the postmaster with
// that pid: permanent logical slots to copy, and such as may not work after a
// promotion.
type slotNews struct {
	pid            int
	copy, unproven []string
}

func (n slotNews) empty() bool { return len(n.copy) == 0 && len(n.unproven) == 0 }

func (n slotNews) equal(o slotNews) bool {
	return n.pid == o.pid && slices.Equal(n.copy, o.copy) && slices.Equal(n.unproven, o.unproven)
}

// begin starts a round, unless the last one still runs, and returns what is
// closed at its end.
func (k *slotKeeper) begin(ctx context.Context, v *decide.View) <-chan struct{} {
	if k.done != nil {
		select {
		case <-k.done:
		default:
			return k.done
		}
	}
	if k.rounds == nil {
		k.rounds = make(chan func())
		go k.work(ctx)
	}
	limit := primarySlotLimit
	if v.Instance.Standby {
		limit = standbySlotLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	k.cancel.Store(&cancel)
	done := make(chan struct{})
	k.done = done
	select {
	case k.rounds <- func() {
		defer close(done)
		defer cancel()
		k.a.keeper.note("keep replication slots", k.round(ctx, v))
	}:
	case <-ctx.Done(): // nobody makes rounds any more
		cancel()
		close(done)
	}
	return done
}

// work makes one round after the other, until ctx ends.
func (k *slotKeeper) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case round := <-k.rounds:
			round()
		}
	}
}

// interrupt ends the round under way: a promotion makes its plan void, and
// consumers of logical slots are to find them unused.
func (k *slotKeeper) interrupt() {
	if cancel := k.cancel.Load(); cancel != nil {
		(*cancel)()
	}
}

// failsafeSlots reports that slots are cared for while the store is silent:
// the leader goes on, and tells the members where its slots are.
func failsafeSlots(v *decide.View) bool {
	return v.Carried() || v.Instance.Standby && v.Now.Before(v.Promise.Until)
}

func (k *slotKeeper) round(ctx context.Context, v *decide.View) error {
	if told := k.promised.Load(); v.StoreErr != "" && v.Instance.Standby && told != nil {
		c, w := *v.Cluster, *v
		c.Status.Slots = *told
		w.Cluster, v = &c, &w
	}
	pg := k.a.o.Postgres
	have, err := pg.Slots(ctx, nil)
	if err != nil {
		return err
	}
	plan := decide.PlanSlots(v, have, k.memory)
	k.memory = plan.Memory
	if len(plan.Changes) > 0 {
		if have, err = pg.Slots(ctx, plan.Changes); err != nil {
			return err
		}
		plan = decide.PlanSlots(v, have, k.memory)
		k.memory = plan.Memory
	}
	if !slices.Equal(plan.Warnings, k.warned) {
		for _, w := range plan.Warnings {
			k.a.log.Warn("replication slots", "finding", w)
		}
		k.warned = plan.Warnings
	}
	k.last.Store(&slotResult{epoch: v.Lease.Epoch, plan: plan})
	if len(plan.Unproven) > len(plan.Copy) {
		err = k.judge(ctx, v, have)
	}
	k.tell(ctx, v, plan)
	return err
}

// judge asks the leader whether the copies of its logical slots can be relied
// on by now.
func (k *slotKeeper) judge(ctx context.Context, v *decide.View, have []cluster.Slot) error {
	up := decide.LeaderOf(v)
	if up == nil {
		return nil
	}
	leaders, err := k.a.o.Postgres.UpstreamSlots(ctx, *up)
	if err != nil {
		return err
	}
	k.memory = k.memory.Judge(v, have, leaders)
	return nil
}

// tell hands over to the loop what concerns it.
func (k *slotKeeper) tell(ctx context.Context, v *decide.View, plan decide.SlotPlan) {
	unproven := slices.DeleteFunc(slices.Clone(plan.Unproven), func(name string) bool { return k.memory.Ready[name] })
	news := slotNews{pid: v.Instance.Pid, copy: plan.Copy, unproven: unproven}
	if news.empty() && k.told.empty() {
		return
	}
	if news.equal(k.told) && (len(news.copy) == 0 || v.Now.Sub(k.toldAt) < copyAgain) {
		return
	}
	select {
	case k.a.commands <- func(s *state) { s.slots = news }:
		k.told, k.toldAt = news, v.Now
	case <-ctx.Done():
	}
}

// status is what the leader's status key says of the slots.
func (k *slotKeeper) status(v *decide.View) (positions map[string]cluster.LSN, retain []string) {
	if !v.Settings.UseSlots {
		return nil, nil
	}
	last := k.last.Load()
	if last == nil || last.epoch != v.Lease.Epoch { // not known yet: as it was
		return v.Cluster.Status.Slots, v.Cluster.Status.RetainSlots
	}
	positions = maps.Clone(last.plan.Positions)
	if own := cluster.SlotName(v.Self); positions[own] != 0 {
		positions[own] = v.Instance.Position()
	}
	return positions, last.plan.Retain
}

// positions are for the members while the store is silent.
func (k *slotKeeper) positions(l lease.Lease, c *cluster.Cluster) map[string]cluster.LSN {
	out := maps.Clone(c.Status.Slots)
	if out == nil {
		out = map[string]cluster.LSN{}
	}
	if last := k.last.Load(); last != nil && last.epoch == l.Epoch {
		maps.Copy(out, last.plan.Positions)
	}
	return out
}

// copySlots copies logical slots from the leader, which restarts this standby.
func (a *Agent) copySlots(ctx context.Context, v *decide.View, d decide.Decision) {
	names, up := v.CopySlots, decide.Target(v)
	a.startJob(ctx, "copy slots", false, func(ctx context.Context, _ *job) outcome {
		err := a.o.Postgres.CopySlots(ctx, *d.Upstream, names, StartOptions{Standby: true, Upstream: up, Timeout: startLimit},
			func(ctx context.Context) { a.leaveSync(ctx, nil) })
		// The slot keeper asks again after a while; nothing else has to wait
		// for that.
		return outcome{err: err, quiet: err != nil, apply: func(s *state) { s.slots.copy = nil }}
	})
	a.s.job.stopping = true
	a.s.job.state = cluster.StateRestarting
}

// warnOfSlots says which logical slots may be of no use after the promotion
// that begins.
func (a *Agent) warnOfSlots() {
	if n := a.s.slots; len(n.unproven) > 0 && n.pid == a.s.instance.Pid {
		a.log.Warn("logical slots may not work after this promotion: their copies were not proven, or are missing", "slots", n.unproven)
	}
}
