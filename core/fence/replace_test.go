package fence

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/lease"
)

// fenceDir names the directory that a process of its own serves as fence.
const fenceDir = "PGREGENT_TEST_FENCE"

// TestMain is the fence process too.
func TestMain(m *testing.M) {
	if dir := os.Getenv(fenceDir); dir != "" {
		err := Serve(Options{StateDir: dir, Wait: time.Minute, Tell: func(string, error) {}, Kill: func() error { return nil }})
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Two fences never live side by side: one that does not answer is killed
// before another is started.
func TestASilentFenceIsKilledBeforeTheNext(t *testing.T) {
	dir := t.TempDir()
	var started []*exec.Cmd
	ended := make(chan int, 2)
	spawn := func() error {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), fenceDir+"="+dir)
		if err := cmd.Start(); err != nil {
			return err
		}
		started = append(started, cmd)
		n := len(started)
		go func() { _ = cmd.Wait(); ended <- n }()
		return nil
	}
	connect := func(limit time.Duration) (*Client, error) {
		c := NewClient(dir, spawn, func() {})
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := c.Connect(ctx)
		return c, err
	}
	c, err := connect(20 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Arm(7, 5, lease.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := started[0].Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(100 * time.Millisecond); !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("a silent fence: %v, want EAGAIN", err)
	}
	if n := await(t, "the end of the silent fence", ended); n != 1 || len(started) != 1 {
		t.Errorf("fence %d ended, %d were started; want the first of one", n, len(started))
	}
	c, err = connect(20 * time.Second)
	if err != nil {
		t.Fatalf("another fence: %v", err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if n := await(t, "the end of the second", ended); n != 2 {
		t.Errorf("fence %d ended, want the second", n)
	}
}

// A fence that is slow is waited for, since it may be killing.
func TestASlowFenceIsWaitedFor(t *testing.T) {
	hold, begun := make(chan struct{}), make(chan struct{}, 1)
	r := runWith(t, Options{Wait: time.Minute, Kill: func() error { begun <- struct{}{}; <-hold; return nil }})
	if err := r.client(t).Arm(7, 5, lease.Now()); err != nil {
		t.Fatal(err)
	}
	await(t, "the kill to begin", begun)
	time.AfterFunc(3*answerLimit/2, func() { close(hold) })
	c := NewClient(r.dir, func() error { t.Error("another fence was started"); return nil }, func() {})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	reply, err := c.Connect(ctx)
	if err != nil || reply.Spent != 5 {
		t.Errorf("got %+v, %v, want the fence that has killed for session 5", reply, err)
	}
}

// As long as PostgreSQL may run, the session stays.
func TestWhatIsNotKilledKeepsItsSession(t *testing.T) {
	tries := make(chan struct{}, 99)
	fail := make(chan struct{})
	r := runWith(t, Options{Wait: time.Minute, Kill: func() error {
		tries <- struct{}{}
		select {
		case <-fail:
			return nil
		default:
			return errors.New("no")
		}
	}})
	c := r.client(t)
	if err := c.Arm(7, 5, lease.Now()); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		await(t, "another try", tries)
	}
	if err := c.Quit(); !errors.Is(err, ErrRefused) {
		t.Errorf("it is to end with PostgreSQL alive: %v, want ErrRefused", err)
	}
	if c.Spent() != 0 || len(r.closed) > 0 {
		t.Error("the session is given up although PostgreSQL may run")
	}
	close(fail)
	if got := await(t, "the end of the session", r.closed); got != 5 {
		t.Errorf("closed session: got %d, want 5", got)
	}
}

// An agent that comes while a former one's session is being closed is served.
func TestANewAgentIsServedWhileASessionIsClosed(t *testing.T) {
	hold := make(chan struct{})
	r := runHeld(t, time.Minute, hold)
	c := r.client(t)
	if err := c.Arm(7, 5, lease.Now()); err != nil {
		t.Fatal(err)
	}
	await(t, "the kill", r.killed)
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	next := r.client(t)
	if got := next.Spent(); got != 5 {
		t.Errorf("spent session: got %d, want 5", got)
	}
	if err := next.Arm(9, 6, lease.Now().Add(time.Hour)); err != nil {
		t.Errorf("another session: %v", err)
	}
	close(hold)
	await(t, "the end of the session", r.closed)
	if err := next.Disarm(9); err != nil {
		t.Errorf("the fence is gone although an agent has come: %v", err)
	}
	if err := next.Quit(); err != nil {
		t.Error(err)
	}
	await(t, "the fence to end", r.ended)
}

// A fence is told what a former one has spent.
func TestTheNextFenceKnowsTheSpentSession(t *testing.T) {
	r := runWith(t, Options{Wait: time.Minute, Spent: 5})
	c := r.client(t)
	if got := c.Spent(); got != 5 {
		t.Errorf("spent session: got %d, want 5", got)
	}
	if err := c.Arm(7, 5, lease.Now().Add(time.Hour)); !errors.Is(err, ErrRefused) {
		t.Errorf("the spent session: %v, want ErrRefused", err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	await(t, "the fence to end", r.ended)
}
