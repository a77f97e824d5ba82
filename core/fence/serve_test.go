package fence

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// running is a fence in this process, with what it did.
type running struct {
	dir    string
	killed chan struct{}
	closed chan int64
	ended  chan error
}

func run(t *testing.T, wait time.Duration) *running { return runHeld(t, wait, nil) }

// runHeld closes no session before hold, if it is not nil, is closed.
func runHeld(t *testing.T, wait time.Duration, hold chan struct{}) *running {
	t.Helper()
	r := newRunning(t)
	r.serve(Options{
		Wait: wait,
		CloseSession: func(session int64) error {
			if hold != nil {
				<-hold
			}
			r.closed <- session
			return nil
		},
	})
	return r
}

// runWith runs a fence of these options; what is missing is filled in.
func runWith(t *testing.T, o Options) *running {
	t.Helper()
	r := newRunning(t)
	r.serve(o)
	return r
}

func newRunning(t *testing.T) *running {
	return &running{dir: t.TempDir(), killed: make(chan struct{}, 9), closed: make(chan int64, 9), ended: make(chan error, 1)}
}

func (r *running) serve(o Options) {
	o.StateDir, o.Tell = r.dir, func(string, error) {}
	if o.Kill == nil {
		o.Kill = func() error { r.killed <- struct{}{}; return nil }
	}
	if o.CloseSession == nil {
		o.CloseSession = func(session int64) error { r.closed <- session; return nil }
	}
	go func() { r.ended <- Serve(o) }()
}

func (r *running) client(t *testing.T) *Client {
	t.Helper()
	c := NewClient(r.dir, func() error { return nil }, func() {})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if _, err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func await[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(60 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
	panic("unreachable")
}

func TestKillsAtTheDeadline(t *testing.T) {
	t.Parallel()
	r := run(t, time.Minute)
	c := r.client(t)
	hard := lease.Now().Add(time.Second)
	if err := c.Arm(7, 5, hard); err != nil {
		t.Fatal(err)
	}
	await(t, "the kill", r.killed)
	if late := lease.Now().Sub(hard); late < 0 {
		t.Errorf("killed %v before the deadline", -late)
	} else {
		t.Logf("killed %v after the deadline", late)
	}
	await(t, "the end of the session", r.closed)
	if err := c.Renew(7, lease.Now().Add(time.Hour)); !errors.Is(err, ErrRefused) {
		t.Errorf("a renewal after the kill: %v, want ErrRefused", err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if err := await(t, "the fence to end", r.ended); err != nil {
		t.Error(err)
	}
}

func TestRenewalsAndDisarmingKeepItQuiet(t *testing.T) {
	t.Parallel()
	r := run(t, time.Minute)
	c := r.client(t)
	const each = 3 * time.Second
	begin := lease.Now()
	if err := c.Arm(7, 5, begin.Add(each)); err != nil {
		t.Fatal(err)
	}
	for lease.Now().Sub(begin) < each+each/4 {
		if err := c.Renew(7, lease.Now().Add(each)); err != nil {
			t.Fatal(err)
		}
		<-time.After(each / 20) // the pace of renewals
	}
	if err := c.Quit(); !errors.Is(err, ErrRefused) {
		t.Errorf("quit while armed: %v, want ErrRefused", err)
	}
	c = r.client(t)
	if err := c.Disarm(7); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	await(t, "the fence to end", r.ended)
	if len(r.killed) > 0 {
		t.Error("it killed although it was renewed and disarmed")
	}
}

func TestAGoneAgentIsWaitedForAndReplaced(t *testing.T) {
	t.Parallel()
	const wait = 2 * time.Second
	r := run(t, wait)
	c := r.client(t)
	hard := lease.Now().Add(time.Hour)
	if err := c.Arm(7, 5, hard); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.drop() // as the death of the agent does
	c.mu.Unlock()
	second := r.client(t)
	reply, err := second.Connect(t.Context())
	if err != nil || !reply.Armed || reply.Epoch != 7 || reply.Hard != hard {
		t.Fatalf("the new agent is told %+v (%v), want what was armed", reply, err)
	}
	if err := second.Renew(7, hard+1); err != nil {
		t.Fatal(err)
	}
	second.mu.Lock()
	second.drop()
	second.mu.Unlock()
	gone := lease.Now()
	await(t, "the kill", r.killed)
	if waited := lease.Now().Sub(gone); waited < wait {
		t.Errorf("killed after %v, before the wait was over", waited)
	}
	await(t, "the end of the session", r.closed)
	if err := await(t, "the fence to end", r.ended); err != nil {
		t.Error(err)
	}
}

func TestALostFenceIsNoticed(t *testing.T) {
	r := run(t, time.Minute)
	lost := make(chan struct{})
	c := NewClient(r.dir, func() error { return nil }, func() { close(lost) })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if _, err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	other := r.client(t) // takes over: the first is told off
	await(t, "the loss", lost)
	if c.Ready() || !errors.Is(c.Renew(7, 1), ErrLost) {
		t.Error("the first client still believes in its fence")
	}
	if err := other.Quit(); err != nil {
		t.Error(err)
	}
	await(t, "the fence to end", r.ended)
}

// While the session is being closed, the fence answers, and arms nothing for
// that session; it does not end before the session was closed.
func TestASpentSessionIsRefusedWhileItIsClosed(t *testing.T) {
	hold := make(chan struct{})
	r := runHeld(t, time.Minute, hold)
	c := r.client(t)
	if err := c.Arm(7, 5, lease.Now()); err != nil {
		t.Fatal(err)
	}
	await(t, "the kill", r.killed)
	for _, epoch := range []cluster.Epoch{7, 8} {
		if err := c.Arm(epoch, 5, lease.Now().Add(time.Hour)); !errors.Is(err, ErrRefused) {
			t.Errorf("epoch %d of the spent session: %v, want ErrRefused", epoch, err)
		}
	}
	if got := c.Spent(); got != 5 {
		t.Errorf("spent session: got %d, want 5", got)
	}
	if err := c.Arm(9, 6, lease.Now().Add(time.Hour)); err != nil {
		t.Errorf("another session: %v", err)
	}
	if err := c.Disarm(9); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if len(r.ended) != 0 {
		t.Error("it ended although a session is being closed")
	}
	close(hold)
	if got := await(t, "the end of the session", r.closed); got != 5 {
		t.Errorf("closed session: got %d, want 5", got)
	}
	if err := await(t, "the fence to end", r.ended); err != nil {
		t.Error(err)
	}
}
