package agent

import (
	"context"
	"errors"
	"maps"
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
	work chan decide.View

	// Owned by run:
	lastRun     lease.Instant
	lastEpoch   cluster.Epoch
	lastMembers int
	slots       map[string]cluster.LSN
	gone        map[string]lease.Instant // slots of members not seen any more
	known       map[string]bool
}

func newHousekeeper(a *Agent) *housekeeper {
	return &housekeeper{a: a, work: make(chan decide.View, 1), gone: map[string]lease.Instant{}, known: map[string]bool{}}
}

// kick hands over the newest view; one that still waits is replaced.
func (h *housekeeper) kick(v decide.View) {
	select {
	case <-h.work:
	default:
	}
	select {
	case h.work <- v:
	default:
	}
}

func (h *housekeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-h.work:
			if h.due(v) {
				h.round(ctx, v)
			}
		}
	}
}

// due reports that loop_wait has passed, or that leadership or membership
// has changed.
func (h *housekeeper) due(v decide.View) bool {
	if !v.Instance.Ready || v.Cluster == nil || v.StoreErr != "" {
		return false
	}
	return v.Lease.Epoch != h.lastEpoch || len(v.Cluster.Members) != h.lastMembers ||
		v.Now.Sub(h.lastRun) >= v.Settings.LoopWait
}

func (h *housekeeper) round(ctx context.Context, v decide.View) {
	ctx, cancel := context.WithTimeout(ctx, choreLimit)
	defer cancel()
	leads := v.Lease.Valid(v.Now) && v.Instance.Primary()
	if leads {
		h.note("complete the store", h.completeStore(ctx, v))
		if v.Settings.FailsafeMode {
			h.note("write failsafe", h.writeFailsafe(ctx, v))
		}
	}
	if v.Settings.UseSlots {
		h.note("keep replication slots", h.keepSlots(ctx, v))
	}
	if leads {
		h.note("write status", h.writeStatus(ctx, v))
		h.note("write history", h.writeHistory(ctx, v))
	}
	h.lastRun, h.lastEpoch, h.lastMembers = v.Now, v.Lease.Epoch, len(v.Cluster.Members)
}

func (h *housekeeper) note(what string, err error) {
	if err != nil && !errors.Is(err, cluster.ErrNotLeader) && !errors.Is(err, context.Canceled) {
		h.a.log.Warn("housekeeping", "chore", what, "err", err)
	}
}

// completeStore writes keys that every cluster has and that somebody removed.
func (h *housekeeper) completeStore(ctx context.Context, v decide.View) error {
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

// keepSlots makes a slot for every other member, on every node that may
// lead, so that members can stream on right after a failover.
func (h *housekeeper) keepSlots(ctx context.Context, v decide.View) error {
	if v.Tags.NoFailover() {
		return nil
	}
	want := map[string]cluster.LSN{}
	for _, m := range v.Cluster.Members {
		if m.Name != v.Self && !m.Data.Tags.NoStream() {
			slot := cluster.SlotName(m.Name)
			want[slot] = v.Cluster.Status.Slots[slot]
		}
	}
	slots, err := h.a.o.Postgres.SyncSlots(ctx, want, h.expired(want, v))
	if err == nil {
		h.slots = slots
	}
	return err
}

// expired are slots of members that were seen by this agent and have been
// gone for member_slots_ttl.
func (h *housekeeper) expired(want map[string]cluster.LSN, v decide.View) []string {
	for slot := range want {
		h.known[slot] = true
		delete(h.gone, slot)
	}
	var drop []string
	for slot := range h.known {
		if _, present := want[slot]; present {
			continue
		}
		since, noted := h.gone[slot]
		switch {
		case !noted:
			h.gone[slot] = v.Now
		case v.Now.Sub(since) >= v.Settings.MemberSlotsTTL && !v.Settings.Pause:
			drop = append(drop, slot)
			delete(h.known, slot)
			delete(h.gone, slot)
		}
	}
	return drop
}

func (h *housekeeper) writeStatus(ctx context.Context, v decide.View) error {
	s := cluster.Status{Optime: v.Instance.WriteLSN, Slots: map[string]cluster.LSN{}}
	maps.Copy(s.Slots, h.slots)
	s.Slots[cluster.SlotName(v.Self)] = v.Instance.WriteLSN
	for slot := range h.gone {
		s.RetainSlots = append(s.RetainSlots, slot)
	}
	if string(s.Encode()) == string(v.Cluster.Status.Encode()) {
		return nil
	}
	return h.a.o.Store.SetStatus(ctx, s)
}

// writeHistory appends the row of the present timeline when it is missing,
// and keeps what older rows say about time and leader.
func (h *housekeeper) writeHistory(ctx context.Context, v decide.View) error {
	old := v.Cluster.History
	if old.ClusterTimeline() == v.Instance.Timeline {
		return nil
	}
	rows, err := h.a.o.Postgres.TimelineHistory(ctx)
	if err != nil {
		return err
	}
	merged := make(cluster.History, 0, len(rows))
	for i, row := range rows {
		for _, e := range old {
			if e.Timeline == row.Timeline && e.LSN == row.LSN {
				row.At, row.NewLeader = e.At, e.NewLeader
			}
		}
		if i == len(rows)-1 && row.NewLeader == "" {
			row.NewLeader = v.Self
		}
		merged = append(merged, row)
	}
	if n := v.Settings.MaxTimelinesHistory; n > 0 && len(merged) > n {
		merged = merged[len(merged)-n:]
	}
	return h.a.o.Store.SetHistory(ctx, merged)
}
