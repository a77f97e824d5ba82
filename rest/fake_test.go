package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// fakeAgent is a Backend over a cluster in memory.
type fakeAgent struct {
	node atomic.Pointer[cluster.NodeStatus]

	mu      sync.Mutex
	view    *cluster.Cluster
	changed chan struct{} // closed and replaced at each change
	down    error         // of the store
	writes  error         // of the store's writes
	// stale, if set, is what WaitCluster shows first.
	stale *cluster.Cluster
	// onFailover runs after the key was written.
	onFailover func(*cluster.Cluster)
	written    cluster.Failover

	restart    func(RestartRequest) error
	reinit     func(force, fromLeader bool) error
	schedule   func(RestartRequest) error
	planned    bool
	failsafe   func(FailsafeRequest) (FailsafeGrant, error)
	peers      map[string]Candidate
	reloads    atomic.Int32
	wakes      atomic.Int32
	outcome    decide.Outcome
	outcomeErr error
	observed   atomic.Int32
}

func newFake(t testing.TB) *fakeAgent {
	t.Helper()
	f := &fakeAgent{changed: make(chan struct{}), peers: map[string]Candidate{}}
	f.view = &cluster.Cluster{
		Leader:   &cluster.Leader{Name: "db1"},
		Members:  []cluster.Member{running("db1", cluster.RolePrimary), running("db2", cluster.RoleReplica), running("db3", cluster.RoleReplica)},
		Failover: cluster.Failover{Version: cluster.NoVersion},
		Config:   cluster.DynamicConfig{Object: object(t, `{"loop_wait": 10, "ttl": 30}`), Version: 7},
	}
	f.node.Store(&cluster.NodeStatus{
		Name: "db1", Scope: "shop", Role: cluster.RolePrimary, InstanceID: "i-1",
		Instance: cluster.Instance{State: cluster.StateRunning, Running: true, Ready: true, ServerVersion: 150004, WriteLSN: 4096, Timeline: 1},
		Cluster:  f.view, Settings: cluster.DefaultSettings(), LeaseUntil: time.Duration(lease.Now().Add(time.Hour)),
	})
	for _, m := range f.view.Members {
		f.peers[m.Name] = Candidate{Name: m.Name, Reachable: true}
	}
	return f
}

func running(name string, role cluster.Role) cluster.Member {
	return cluster.Member{Name: name, Data: cluster.MemberData{State: cluster.StateRunning, Role: role}}
}

func (f *fakeAgent) Status() *cluster.NodeStatus { return f.node.Load() }

func (f *fakeAgent) Fresh(context.Context) *cluster.NodeStatus {
	f.observed.Add(1)
	return f.node.Load()
}

func (f *fakeAgent) LoadCluster(context.Context) (*cluster.Cluster, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view, f.down
}

func (f *fakeAgent) WaitCluster(ctx context.Context, done func(*cluster.Cluster) bool) (*cluster.Cluster, error) {
	for {
		f.mu.Lock()
		view, changed := f.view, f.changed
		if f.stale != nil {
			view, f.stale = f.stale, nil
		}
		f.mu.Unlock()
		if done(view) {
			return view, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// change publishes an edited copy of the view.
func (f *fakeAgent) change(edit func(*cluster.Cluster)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := *f.view
	next.Members = append([]cluster.Member(nil), f.view.Members...)
	edit(&next)
	f.view = &next
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeAgent) SetFailover(_ context.Context, key cluster.Failover, version int32) error {
	f.mu.Lock()
	have, fail, react := f.view.Failover.Version, f.writes, f.onFailover
	f.written = key
	f.mu.Unlock()
	switch {
	case fail != nil && !errors.Is(fail, cluster.ErrOutcomeUnknown):
		return fail
	case version != have:
		return cluster.ErrConflict
	}
	f.change(func(c *cluster.Cluster) {
		c.Failover = key
		c.Failover.Exists, c.Failover.Version = true, max(have, -1)+1
	})
	if react != nil {
		go f.change(react)
	}
	return fail
}

func (f *fakeAgent) SetConfig(_ context.Context, o *cluster.Object, version int32) error {
	f.mu.Lock()
	have, fail := f.view.Config.Version, f.writes
	f.mu.Unlock()
	if fail == nil && version != cluster.AnyVersion && version != have {
		fail = cluster.ErrConflict
	}
	if fail != nil {
		return fail
	}
	f.change(func(c *cluster.Cluster) { c.Config.Object, c.Config.Version = o, max(have, -1)+1 })
	return nil
}

func (f *fakeAgent) Restart(_ context.Context, r RestartRequest) error {
	if f.restart == nil {
		return nil
	}
	return f.restart(r)
}

func (f *fakeAgent) Reinitialize(_ context.Context, force, fromLeader bool) error {
	if f.reinit == nil {
		return nil
	}
	return f.reinit(force, fromLeader)
}

func (f *fakeAgent) Failsafe(_ context.Context, r FailsafeRequest) (FailsafeGrant, error) {
	return f.failsafe(r)
}

func (f *fakeAgent) Reload() { f.reloads.Add(1) }
func (f *fakeAgent) Wake()   { f.wakes.Add(1) }

func (f *fakeAgent) Peers(_ context.Context, members []cluster.Member) []Candidate {
	var out []Candidate
	for _, m := range members {
		out = append(out, f.peers[m.Name])
	}
	return out
}

func object(t testing.TB, s string) *cluster.Object {
	t.Helper()
	o, err := cluster.ParseObject([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// serve starts a server on a free port and returns its host:port.
func serve(t testing.TB, o Options) string {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s := New(o)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s.Addr().String()
}

// answer is what a request was answered.
type answer struct {
	code   int
	body   string
	header http.Header
}

// send makes a request on a connection of its own.
func send(t testing.TB, method, address, path, body string, header ...string) answer {
	t.Helper()
	got, err := trySend(t, method, address, path, body, header...)
	// A server may answer and end the connection before it has read a body that
	// is too long; a client that is still writing then may miss the answer.
	for range 5 {
		if len(body) < 1<<20 || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			break
		}
		got, err = trySend(t, method, address, path, body, header...)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	checkDocumented(t, method, path, got.code)
	return got
}

func trySend(t testing.TB, method, address, path, body string, header ...string) (answer, error) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(text), resp.Header}, err
}

func (f *fakeAgent) ScheduleRestart(_ context.Context, r RestartRequest) error { return f.schedule(r) }

func (f *fakeAgent) CancelRestart(context.Context) (bool, error) {
	was := f.planned
	f.planned = false
	return was, nil
}

func (f *fakeAgent) NextStatus(ctx context.Context, last *cluster.NodeStatus) (*cluster.NodeStatus, error) {
	for {
		if st := f.node.Load(); st != last && st != nil {
			return st, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond): // the pointer is set without notice
		}
	}
}

func (f *fakeAgent) WhatIf(_ context.Context, down []string) (decide.Outcome, error) {
	return f.outcome, f.outcomeErr
}
