package agent

import (
	"context"
	"errors"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// choreLimit bounds one round of chores.
const choreLimit = 10 * time.Second

// housekeeper does what a leader (and, for slots, a standby) does besides
// leading: keys that must exist, status, history, replication slots. It runs
// beside the loop, so that a slow server or store never holds a decision up.
// Its writes as leader are refused by the store once the lock is lost.
type housekeeper struct {
	a    *Agent
	work chan *decide.View

	// Owned by the loop: of the view that was handed over last.
	lastRun     lease.Instant
	lastEpoch   cluster.Epoch
	lastMembers int
	lastConfig  int64

	// Owned by run:
	slots *slotKeeper
	// listed is the failsafe key as last understood.
	listed map[string]string
	// compared is the leadership for which the history key was found to be
	// that of the local log.
	compared cluster.Epoch
}

func newHousekeeper(a *Agent) *housekeeper {
	return &housekeeper{a: a, work: make(chan *decide.View, 1), slots: &slotKeeper{a: a}}
}

// kick hands over the view if chores are due; one that still waits is replaced.
func (h *housekeeper) kick(v *decide.View) {
	if !h.due(v) && (len(h.work) == 0 || !able(v)) {
		return
	}
	h.lastRun, h.lastEpoch = v.Now, v.Lease.Epoch
	h.lastMembers, h.lastConfig = len(v.Cluster.Members), v.Cluster.Config.ModifiedZxid
	hand(h.work, v)
}

// hand puts v into a channel of one place that only the caller fills, in the
// stead of what nobody has taken yet.
func hand[T any](to chan T, v T) {
	select {
	case <-to:
	default:
	}
	select {
	case to <- v:
	default:
	}
}

func (h *housekeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-h.work:
			h.round(ctx, v)
		}
	}
}

// able reports that the server, and whoever says what is to be done, can be
// worked with.
func able(v *decide.View) bool {
	return v.Instance.Ready && v.Cluster != nil && (v.StoreErr == "" || failsafeSlots(v))
}

// due reports that loop_wait has passed, or that leadership, membership or the
// dynamic configuration has changed.
func (h *housekeeper) due(v *decide.View) bool {
	return able(v) && (v.Lease.Epoch != h.lastEpoch || len(v.Cluster.Members) != h.lastMembers ||
		v.Cluster.Config.ModifiedZxid != h.lastConfig || v.Now.Sub(h.lastRun) >= v.Settings.LoopWait)
}

func (h *housekeeper) round(ctx context.Context, v *decide.View) {
	h.noteListed(v.Cluster)
	var slots <-chan struct{}
	if v.Settings.UseSlots {
		slots = h.slots.begin(ctx, v)
	}
	leads := v.Lease.Valid(v.Now) && (v.Instance.Primary() || v.Settings.StandbyCluster != nil)
	if v.StoreErr != "" || !leads {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, choreLimit)
	defer cancel()
	h.note("complete the store", h.completeStore(ctx, v))
	if v.Settings.FailsafeMode {
		h.note("write failsafe", h.writeFailsafe(ctx, v))
	}
	if slots != nil {
		await(ctx, slots, slotWait)
	}
	if v.Instance.Primary() { // first: what status says is measured along it
		h.note("write history", h.writeHistory(ctx, v))
	}
	h.note("write status", h.writeStatus(ctx, v))
}

// await returns when done is closed, or after limit.
func await(ctx context.Context, done <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (h *housekeeper) note(what string, err error) {
	if err != nil && !errors.Is(err, cluster.ErrNotLeader) && !errors.Is(err, context.Canceled) {
		h.a.log.Warn("housekeeping", "chore", what, "err", err)
	}
}

// completeStore writes keys that every cluster has and that somebody removed.
func (h *housekeeper) completeStore(ctx context.Context, v *decide.View) error {
	var errs []error
	if v.Cluster.SystemID() == "" && v.Instance.SystemID != "" {
		errs = append(errs, h.a.o.Store.SetInitialize(ctx, v.Instance.SystemID))
	}
	if v.Cluster.Config.Object.Len() == 0 {
		if last := h.a.status.Load().Dynamic; last.Len() > 0 {
			errs = append(errs, h.a.o.Store.SetConfig(ctx, last, v.Cluster.Config.Version))
		}
	}
	return errors.Join(errs...)
}

func (h *housekeeper) writeStatus(ctx context.Context, v *decide.View) error {
	s := cluster.Status{Optime: v.Instance.Position()}
	s.Slots, s.RetainSlots = h.slots.status(v)
	if s.Equal(v.Cluster.Status) {
		return nil
	}
	return h.a.o.Store.SetStatus(ctx, s)
}
