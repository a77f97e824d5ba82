package zkdcs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

var running = cluster.MemberData{ConnURL: "postgres://h:5432/postgres", State: cluster.StateRunning, Role: cluster.RoleReplica}

func TestNameGuard(t *testing.T) {
	t.Parallel()
	first := start(t, "a")
	if err := first.SetMember(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	second := start(t, "a")
	if err := second.SetMember(t.Context(), running); !errors.Is(err, cluster.ErrNameInUse) {
		t.Errorf("set member: got %v, want ErrNameInUse", err)
	}
	if ok, err := second.Acquire(t.Context(), second.view(t)); ok || !errors.Is(err, cluster.ErrNameInUse) {
		t.Errorf("acquire: got %v, %v, want ErrNameInUse", ok, err)
	}
	if c := second.view(t); c.Member("a") == nil || c.Member("a").Session != first.SessionID() {
		t.Error("the first agent's key was touched")
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.await(t, "the name", func() bool { return second.SetMember(t.Context(), running) == nil })
	second.acquire(t)
}

func TestForeignMemberKeyIsNotTouched(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	c := raw(t)
	path := a.paths.member("a")
	if _, err := c.Create(path, []byte("{}"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	if err := a.SetMember(t.Context(), running); !errors.Is(err, cluster.ErrNameInUse) {
		t.Errorf("set member: got %v, want ErrNameInUse", err)
	}
	if data, _, err := c.Get(path); err != nil || string(data) != "{}" {
		t.Errorf("got %q, %v, want {}", data, err)
	}
	if err := c.Delete(path, -1); err != nil {
		t.Fatal(err)
	}
	if err := a.SetMember(t.Context(), running); err != nil {
		t.Errorf("set member of a free name: %v", err)
	}
}

func TestMemberIsWrittenOnlyWhenItDiffers(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	version := func() int32 {
		a.Invalidate()
		m := a.view(t).Member("a")
		if m == nil {
			t.Fatal("no member")
		}
		return m.Version
	}
	changed := running
	changed.XLogLocation = 1 << 62
	for i, step := range []struct {
		data cluster.MemberData
		want int32
	}{{running, 0}, {running, 0}, {changed, 1}, {changed, 1}, {running, 2}} {
		if err := a.SetMember(t.Context(), step.data); err != nil {
			t.Fatal(err)
		}
		if got := version(); got != step.want {
			t.Errorf("step %d: got version %d, want %d", i, got, step.want)
		}
		if !a.MemberCurrent() {
			t.Errorf("step %d: member is not current", i)
		}
	}
	if err := raw(t).Delete(a.paths.member("a"), -1); err != nil {
		t.Fatal(err)
	}
	a.awaitView(t, "the removal", func(c *cluster.Cluster) bool { return c.Member("a") == nil })
	if a.MemberCurrent() {
		t.Error("removed member is current")
	}
	if err := a.SetMember(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	version()
}

func TestNothingHangsWhileTheServerHangs(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	a.acquire(t)
	view := a.view(t)
	a.proxy.Hang()
	a.Invalidate()
	calls := map[string]func(context.Context) error{
		"load":       func(ctx context.Context) error { _, err := a.Load(ctx); return err },
		"acquire":    func(ctx context.Context) error { _, err := a.Acquire(ctx, view); return err },
		"member":     func(ctx context.Context) error { return a.SetMember(ctx, running) },
		"config":     func(ctx context.Context) error { return a.SetConfig(ctx, &cluster.Object{}, cluster.AnyVersion) },
		"status":     func(ctx context.Context) error { return a.SetStatus(ctx, cluster.Status{}) },
		"initialize": func(ctx context.Context) error { return a.DeleteInitialize(ctx) },
		"release":    func(ctx context.Context) error { return a.Release(ctx, cluster.Status{}) },
		"close":      a.Close,
	}
	for _, name := range []string{"load", "member", "config", "status", "acquire", "initialize", "release", "close"} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		begin := time.Now()
		err := calls[name](ctx)
		cancel()
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
		if !errors.Is(err, cluster.ErrUnreachable) && !errors.Is(err, cluster.ErrOutcomeUnknown) && !errors.Is(err, cluster.ErrNotLeader) && name != "close" {
			t.Errorf("%s: got %v", name, err)
		}
		if strings.Contains(name, "load") && !errors.Is(err, cluster.ErrUnreachable) {
			t.Errorf("%s: got %v, want ErrUnreachable", name, err)
		}
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestOnlyStaleKeysAreReadAgain(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	for _, n := range []*node{a, b} {
		if err := n.SetMember(t.Context(), running); err != nil {
			t.Fatal(err)
		}
	}
	a.awaitView(t, "both members", func(c *cluster.Cluster) bool { return len(c.Members) == 2 })
	settle := func() int64 { // until nothing is stale any more
		var before, after int64 = -1, 0
		a.await(t, "rest", func() bool {
			before = a.Stats().Reads
			a.view(t)
			after = a.Stats().Reads
			return before == after
		})
		return after
	}
	idle := settle()
	for range 5 {
		a.view(t)
	}
	if got := a.Stats().Reads - idle; got != 0 {
		t.Errorf("got %d reads of a fresh view, want 0", got)
	}
	changed := running
	changed.Timeline = 9
	if err := b.SetMember(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	a.awaitView(t, "the new timeline", func(c *cluster.Cluster) bool { return c.Member("b").Data.Timeline == 9 })
	if got := a.Stats().Reads - idle; got != 2 {
		t.Errorf("got %d reads for one changed member, want it and status", got)
	}
	idle = settle()
	a.Invalidate()
	a.view(t)
	if got := a.Stats().Reads - idle; got != int64(len(watched)+4) {
		t.Errorf("got %d reads of everything, want %d", got, len(watched)+4)
	}
}

func TestEveryWatchedKeyWakes(t *testing.T) {
	t.Parallel()
	a, c := start(t, "a"), raw(t)
	for _, key := range []string{keyConfig, keyFailover, keySync, keyInitialize, keyHistory, keyFailsafe, keyLeader} {
		for _, value := range []string{"{}", "{\"ttl\":20}"} { // creation, then change
			a.view(t)
			drain(a.Changed())
			a.put(t, c, key, value)
			select {
			case <-a.Changed():
			case <-time.After(patience):
				t.Errorf("%s: not woken", key)
			}
		}
	}
	if got := a.awaitView(t, "config", func(c *cluster.Cluster) bool { return c.Config.Object != nil }); got.Config.Version != 1 {
		t.Errorf("got version %d, want 1", got.Config.Version)
	}
}

func TestBadKeysAreFindings(t *testing.T) {
	t.Parallel()
	a, c := start(t, "a"), raw(t)
	bad := map[string]string{
		keyConfig: "[1]", keyFailover: `{"leader":"x","scheduled_at":"soon"}`, keySync: "{", keyStatus: "what",
		keyHistory: "{}", keyFailsafe: "\xff", keyInitialize: "12", keyMembers + "/m": "?",
	}
	for key, value := range bad {
		a.put(t, c, key, value)
	}
	a.Invalidate()
	v := a.view(t)
	for key := range bad {
		n := 0
		for _, f := range v.Findings {
			if strings.HasPrefix(f, "key "+key+" ") {
				n++
			}
		}
		if n == 0 {
			t.Errorf("%s: no finding in %q", key, v.Findings)
		}
	}
	if v.Failover.Pending() || v.Config.Object != nil || v.Member("m") == nil {
		t.Errorf("got %+v", v)
	}
}

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	o := &cluster.Object{}
	o.Set("ttl", 30)
	for i, step := range []struct {
		version int32
		want    error
	}{
		{3, cluster.ErrConflict},
		{cluster.NoVersion, nil},
		{cluster.NoVersion, cluster.ErrConflict},
		{0, nil},
		{0, cluster.ErrConflict},
		{1, nil},
		{cluster.AnyVersion, nil},
	} {
		if err := a.SetConfig(t.Context(), o, step.version); !errors.Is(err, step.want) {
			t.Errorf("step %d: got %v, want %v", i, err, step.want)
		}
	}
	if got := a.view(t).Config; got.Version != 3 || got.Object.String() != `{"ttl":30}` {
		t.Errorf("got %+v", got)
	}
}

func TestInitialize(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	for _, want := range []bool{true, false} {
		if got, err := a.CreateInitialize(t.Context()); got != want || err != nil {
			t.Errorf("create: got %v, %v, want %v", got, err, want)
		}
	}
	if v := a.view(t).Initialize; v == nil || *v != "" {
		t.Errorf("got %v, want empty", v)
	}
	if err := a.SetInitialize(t.Context(), "7575757575757575757"); err != nil {
		t.Fatal(err)
	}
	if got := a.view(t).SystemID(); got != "7575757575757575757" {
		t.Errorf("got %q", got)
	}
	for range 2 {
		if err := a.DeleteInitialize(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v := a.view(t).Initialize; v != nil {
		t.Errorf("got %q, want none", *v)
	}
}

func TestSetInitializeNeverReplacesAnIdentifier(t *testing.T) {
	const id, other = "7575757575757575757", "7676767676767676767"
	for name, tc := range map[string]struct {
		present *string // nil: no key
		want    error
		left    string
	}{
		"absent":        {nil, nil, id},
		"empty":         {new(""), nil, id},
		"not valid":     {new("nonsense"), nil, id},
		"the same":      {new(id), nil, id},
		"another valid": {new(other), cluster.ErrConflict, other},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, "a")
			if tc.present != nil {
				a.put(t, raw(t), keyInitialize, *tc.present)
			}
			if err := a.SetInitialize(t.Context(), id); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			a.Invalidate()
			if got := a.view(t).SystemID(); got != tc.left {
				t.Errorf("got %q, want %q", got, tc.left)
			}
		})
	}
}

func TestLeaderWrites(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	if err := a.SetHistory(t.Context(), cluster.History{}); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("got %v, want ErrNotLeader", err)
	}
	a.acquire(t)
	h := cluster.History{{Timeline: 1, LSN: 5, Reason: "r", At: "t", NewLeader: "a"}}
	for range 2 {
		if err := a.SetHistory(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if err := a.SetStatus(t.Context(), cluster.Status{Optime: 42}); err != nil {
			t.Fatal(err)
		}
	}
	v := a.view(t)
	if len(v.History) != 1 || v.History[0] != h[0] || v.Status.Optime != 42 {
		t.Errorf("got %+v, %+v", v.History, v.Status)
	}
	if epoch := int64(v.Leader.Epoch); v.HistoryZxid <= epoch {
		t.Errorf("written by transaction %d, before the leader's %d", v.HistoryZxid, epoch)
	}
	a.Abandon()
	if a.Lease().Held() {
		t.Error("lease outlives Abandon")
	}
	if v := a.view(t); v.LeaderName() != "a" {
		t.Errorf("got leader %q, want a", v.LeaderName())
	}
	if err := a.Release(t.Context(), cluster.Status{Optime: 43}); err != nil {
		t.Errorf("release after Abandon: %v", err)
	}
}

func TestOldStatusKey(t *testing.T) {
	t.Parallel()
	a, c := start(t, "a"), raw(t)
	a.put(t, c, "optime", "")
	a.put(t, c, keyOptime, "67108864")
	a.Invalidate()
	if got := a.view(t).Status.Optime; got != 67108864 {
		t.Errorf("got %d", got)
	}
}
