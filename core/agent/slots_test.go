package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// slottedServer has replication slots that work at once, unless it hangs.
type slottedServer struct {
	Postgres
	slots   map[string]cluster.Slot
	leaders []cluster.Slot
	hangs   bool
	queries int
	copied  []string
}

func (s *slottedServer) Slots(ctx context.Context, changes []cluster.SlotChange) ([]cluster.Slot, error) {
	if s.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.queries++
	for _, c := range changes {
		switch c.Verb {
		case cluster.DropSlot:
			delete(s.slots, c.Name)
		case cluster.CreateSlot:
			s.slots[c.Name] = cluster.Slot{Name: c.Name, Type: c.Type, Database: c.Database, Plugin: c.Plugin, RestartLSN: 10, ConfirmedLSN: 10}
		case cluster.AdvanceSlot:
			sl := s.slots[c.Name]
			sl.RestartLSN = c.To
			s.slots[c.Name] = sl
		}
	}
	return slices.Collect(maps.Values(s.slots)), nil
}

func (s *slottedServer) UpstreamSlots(context.Context, cluster.Upstream) ([]cluster.Slot, error) {
	return s.leaders, nil
}

func (s *slottedServer) CopySlots(_ context.Context, _ cluster.Upstream, names []string, _ StartOptions, _ func(context.Context)) error {
	s.copied = names
	return errors.New("no")
}

func (s *slottedServer) Observe(context.Context) cluster.Instance { return cluster.Instance{} }

func slottedView(leader string) *decide.View {
	v := &decide.View{Now: lease.Now(), Self: "a", Settings: cluster.DefaultSettings(), Instance: cluster.Instance{Running: true, Ready: true, Pid: 5, WriteLSN: 100}}
	url := "postgres://127.0.0.1:5432/postgres"
	v.Cluster = &cluster.Cluster{
		Leader:  &cluster.Leader{Name: leader, Epoch: 7},
		Members: []cluster.Member{{Name: "a", Data: cluster.MemberData{ConnURL: url}}, {Name: "b", Data: cluster.MemberData{ConnURL: url}}},
	}
	v.Settings.Slots = &cluster.SlotSettings{Permanent: []cluster.PermanentSlot{{Name: "cdc", Type: cluster.LogicalSlot, Database: "d", Plugin: "p"}}}
	if leader == "a" {
		v.Lease = silentLease()
		v.Lease.Sent = lease.Now()
	} else {
		v.Instance.Standby, v.Instance.WriteLSN, v.Instance.ReplayLSN = true, 0, 100
	}
	return v
}

func slottedAgent(leader string) (*Agent, *slottedServer) {
	pg := &slottedServer{slots: map[string]cluster.Slot{}}
	a := testAgent(&leasedStore{}, nil)
	a.o.Postgres = pg
	return a, pg
}

func TestALeaderTellsWhereItsSlotsAre(t *testing.T) {
	a, pg := slottedAgent("a")
	k, v := a.keeper.slots, slottedView("a")
	v.Cluster.Status = cluster.Status{Slots: map[string]cluster.LSN{"old": 1}, RetainSlots: []string{"old"}}
	if slots, retain := k.status(v); slots["old"] != 1 || len(retain) != 1 {
		t.Errorf("before the first round: %v, %v", slots, retain)
	}
	<-k.begin(t.Context(), v)
	v.Instance.WriteLSN = 200
	slots, retain := k.status(v)
	if want := map[string]cluster.LSN{"a": 200, "b": 10, "cdc": 10, "old": 10}; !maps.Equal(slots, want) || !slices.Equal(retain, []string{"b", "old"}) {
		t.Errorf("got %v, %v, want %v", slots, retain, want)
	}
	if pg.queries != 2 {
		t.Errorf("%d calls, want one to look and one to change", pg.queries)
	}
	if <-k.begin(t.Context(), v); pg.queries != 3 {
		t.Errorf("%d calls, want one more with nothing to do", pg.queries-2)
	}
	if len(a.commands) > 0 {
		t.Error("the loop is told of nothing")
	}
	v.Settings.UseSlots = false
	if slots, retain := k.status(v); slots != nil || retain != nil {
		t.Errorf("without slots: %v, %v", slots, retain)
	}
}

func TestAStandbyAsksForCopies(t *testing.T) {
	a, pg := slottedAgent("b")
	k, v := a.keeper.slots, slottedView("b")
	v.Cluster.Status.Slots = map[string]cluster.LSN{"cdc": 50}
	told := func() bool {
		<-k.begin(t.Context(), v)
		select {
		case c := <-a.commands:
			c(&a.s)
			return true
		default:
			return false
		}
	}
	if !told() || !slices.Equal(a.s.slots.copy, []string{"cdc"}) || a.s.slots.pid != 5 {
		t.Fatalf("got %+v", a.s.slots)
	}
	if told() {
		t.Error("told again at once")
	}
	v.CopySlots = a.s.slots.copy
	a.copySlots(t.Context(), v, decide.Decision{Upstream: &cluster.Upstream{Name: "b"}})
	a.finish(<-a.s.jobDone)
	if !slices.Equal(pg.copied, []string{"cdc"}) || len(a.s.slots.copy) != 0 || a.s.backoff != 0 {
		t.Errorf("after a copy that failed: %+v, back-off %v", a.s.slots, a.s.backoff)
	}
	v.Now = v.Now.Add(copyAgain)
	if !told() || len(a.s.slots.copy) != 1 {
		t.Error("not tried again")
	}
	pg.slots["cdc"] = cluster.Slot{Name: "cdc", Type: cluster.LogicalSlot, Database: "d", Plugin: "p", ConfirmedLSN: 50, RestartLSN: 40, CatalogXmin: 9}
	v.Instance.Pid = 6
	if !told() || len(a.s.slots.copy) != 0 || len(a.s.slots.unproven) != 1 {
		t.Errorf("a fresh copy: %+v", a.s.slots)
	}
	pg.leaders = []cluster.Slot{{Name: "a", Type: cluster.PhysicalSlot, CatalogXmin: 9}, {Name: "cdc", Type: cluster.LogicalSlot, CatalogXmin: 9}}
	if !told() || len(a.s.slots.unproven) != 0 {
		t.Errorf("a proven copy: %+v", a.s.slots)
	}
	if told() {
		t.Error("told although nothing has changed")
	}
}

func TestAPromotionEndsTheRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pg := slottedAgent("b")
		pg.hangs = true
		k, v := a.keeper.slots, slottedView("b")
		done := k.begin(t.Context(), v)
		if again := k.begin(t.Context(), v); again != done {
			t.Error("two rounds at once")
		}
		at := time.Now()
		await(t.Context(), done, slotWait)
		if time.Since(at) != slotWait {
			t.Errorf("waited %v for a slow round", time.Since(at))
		}
		k.interrupt()
		<-done
		if time.Since(at) != slotWait {
			t.Errorf("interrupted after %v", time.Since(at))
		}
	})
}

func TestSlotsWhileTheStoreIsSilent(t *testing.T) {
	a, pg := slottedAgent("b")
	k, v := a.keeper.slots, slottedView("b")
	v.Settings.Slots = nil
	pg.slots["b"] = cluster.Slot{Name: "b", Type: cluster.PhysicalSlot, RestartLSN: 10}
	pg.slots["x"] = cluster.Slot{Name: "x", Type: cluster.PhysicalSlot, RestartLSN: 10}
	v.StoreErr, v.Promise = "silent", decide.Promise{To: "b", Until: v.Now.Add(time.Second)}
	if !a.keeper.due(v) {
		t.Error("nothing is done during a promise")
	}
	k.promised.Store(&map[string]cluster.LSN{"b": 70})
	<-k.begin(t.Context(), v)
	if pg.slots["b"].RestartLSN != 70 || len(pg.slots) != 2 || v.Cluster.Status.Slots != nil {
		t.Errorf("got %+v", pg.slots)
	}
	v.Promise.Until = v.Now
	if a.keeper.due(v) {
		t.Error("slots are moved without any leader")
	}
}
