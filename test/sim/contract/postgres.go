package contract

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
)

// Server is a PostgreSQL as its agent has it, with what else a case needs: a
// client of it, and its address.
type Server interface {
	agent.Postgres
	// Upstream is where others reach it.
	Upstream() cluster.Upstream
	// Write commits a row with that key, not 0. It returns nil when the commit
	// is confirmed; after an error the row may be there or not.
	Write(ctx context.Context, key int) error
	// Has reports whether there is a row with that key.
	Has(ctx context.Context, key int) (bool, error)
}

// PostgresCase is one promise of agent.Postgres. open makes the server of a
// member, without data, which ends with the test; all of a case reach each
// other.
type PostgresCase struct {
	Name string
	Run  func(t testing.TB, open func(member string) Server)
}

// PostgresCases are the promises of agent.Postgres.
func PostgresCases() []PostgresCase {
	return []PostgresCase{
		{"a primary starts and stops", startStop},
		{"a killed primary goes on where it was", killStart},
		{"a standby streams and has the end of the log", streams},
		{"a promotion begins a timeline", promotes},
		{"a standby follows another upstream", follows},
		{"a log that went apart is found and rewound", rewinds},
		{"a log without more than the upstream's is not rewound", agrees},
		{"two promoted apart cannot be rewound", apart},
		{"synchronous names are in force", names},
	}
}

// prompt is the longest that an observation may take: it asks for two
// seconds, and the host may be busy.
const prompt = 20 * time.Second

// bound is the context of a call that must end.
func bound(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// observe checks what holds of every observation.
func observe(t testing.TB, s Server) cluster.Instance {
	t.Helper()
	from := time.Now()
	in := s.Observe(bound(t))
	if took := time.Since(from); took > prompt {
		t.Errorf("the observation took %v", took)
	}
	switch {
	case in.Ready && !in.Running, in.Running != (in.Pid != 0), in.Running && in.Ready != (in.Err == ""),
		in.Ready && in.Standby && in.WriteLSN != 0, in.Ready && !in.Standby && (in.WriteLSN == 0 || in.Position() != in.WriteLSN),
		!in.Ready && in.WriteLSN+in.ReceiveLSN+in.ReplayLSN != 0, in.Running && in.Control != (cluster.Control{}):
		t.Errorf("the observation contradicts itself: %+v", in)
	}
	return in
}

// bootstrapped is a new primary.
func bootstrapped(t testing.TB, open func(string) Server, name string) Server {
	t.Helper()
	s := open(name)
	must(t, "initdb", s.Initdb(bound(t)))
	must(t, "start", s.Start(bound(t), cluster.StartOptions{}))
	must(t, "post bootstrap", s.PostBootstrap(bound(t)))
	return s
}

// standbyOf is a new standby of up, which streams.
func standbyOf(t testing.TB, open func(string) Server, up Server, name string) Server {
	t.Helper()
	s := open(name)
	from := up.Upstream()
	allow(t, up, s)
	must(t, "clone", s.Clone(bound(t), from))
	startStandby(t, s, up)
	return s
}

// startStandby starts s and waits until it streams from up.
func startStandby(t testing.TB, s, up Server) {
	t.Helper()
	from := up.Upstream()
	allow(t, up, s)
	must(t, "start standby", s.Start(bound(t), cluster.StartOptions{Standby: true, Upstream: &from}))
	streamsFrom(t, s, up)
}

// allow makes the slot that s streams through.
func allow(t testing.TB, up, s Server) {
	t.Helper()
	name := cluster.SlotName(s.Upstream().Name)
	list, err := up.Slots(bound(t), nil)
	for _, slot := range list {
		if slot.Name == name {
			return
		}
	}
	if err == nil {
		_, err = up.Slots(bound(t), []cluster.SlotChange{{Verb: cluster.CreateSlot, Name: name, Type: cluster.PhysicalSlot}})
	}
	must(t, "create slot", err)
}

func streamsFrom(t testing.TB, s, up Server) {
	t.Helper()
	from := up.Upstream()
	eventually(t, from.Name+" is streamed from", func() bool {
		in := observe(t, s)
		return in.Ready && in.Standby && in.ReplicationState == "streaming" && in.UpstreamHost == from.Host && in.UpstreamPort == from.Port
	})
}

func write(t testing.TB, s Server, key int) {
	t.Helper()
	must(t, "write", s.Write(bound(t), key))
}

// has waits for the row.
func has(t testing.TB, s Server, key int) {
	t.Helper()
	eventually(t, "the row is there", func() bool {
		there, err := s.Has(bound(t), key)
		return there && err == nil
	})
}

// caughtUp waits until s has replayed what up has written by now.
func caughtUp(t testing.TB, s, up Server) {
	t.Helper()
	end := observe(t, up).Position()
	eventually(t, "it catches up", func() bool {
		in := observe(t, s)
		return in.ReceiveLSN >= end && in.ReplayLSN >= end
	})
}

// stop stops s in order, and returns the end of the log that it told; it must
// tell one, and only one, if it is a primary.
func stop(t testing.TB, s Server) cluster.LSN {
	t.Helper()
	primary := observe(t, s).Primary()
	var told, calls atomic.Uint64
	must(t, "stop", s.Stop(bound(t), cluster.StopFast, true, func(l cluster.LSN) { told.Store(uint64(l)); calls.Add(1) }))
	want := uint64(0)
	if primary {
		want = 1
	}
	if calls.Load() != want {
		t.Errorf("the end of the log was told %d times, want %d", calls.Load(), want)
	}
	return cluster.LSN(told.Load())
}

// kill kills s and waits until that is seen.
func kill(t testing.TB, s Server) cluster.Instance {
	t.Helper()
	for len(s.Events()) > 0 {
		<-s.Events()
	}
	must(t, "kill", s.Kill())
	var in cluster.Instance
	eventually(t, "it is seen to be gone", func() bool {
		in = observe(t, s)
		return !in.Running
	})
	select {
	case <-s.Events():
	case <-time.After(limit):
		t.Error("nobody was told that it is gone")
	}
	return in
}

// verdict checks what s says of its log against up's.
func verdict(t testing.TB, s, up Server, want cluster.Divergence) {
	t.Helper()
	got, why, err := s.Diverged(bound(t), up.Upstream())
	if got != want || err != nil || why == "" {
		t.Errorf("verdict of %s against %s: got %v (%q), %v, want %v", s.Upstream().Name, up.Upstream().Name, got, why, err, want)
	}
}
