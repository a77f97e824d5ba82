package sim

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/test/sim/contract"
)

// The model of the store keeps the contract that the adapter keeps.
func TestStoreContract(t *testing.T) {
	for _, c := range contract.StoreCases() {
		t.Run(c.Name, func(t *testing.T) {
			onModel(t, func(t *testing.T, w *world) {
				c.Run(t, func(member string) agent.Store { return openModel(t, w, member) })
			})
		})
	}
	t.Run("a former leader writes nothing", func(t *testing.T) {
		onModel(t, func(t *testing.T, w *world) {
			contract.FormerLeader(t, func(member string) agent.Store { return openModel(t, w, member) }, func() {
				w.locked(w.zk.removeLeader)
			})
		})
	})
}

// onModel calls run with a world that nothing happens in by itself.
func onModel(t *testing.T, run func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Draw(1)
		if err != nil {
			t.Fatal(err)
		}
		s.LostAnswers = 0
		w := newWorld(s)
		defer w.finish()
		w.zk.lag = [servers]time.Duration{} // one server, which is not behind itself
		run(t, w)
	})
}

func openModel(t *testing.T, w *world, member string) agent.Store {
	n := newNode(w, len(w.nodes))
	n.name = member
	p := &process{n: n, id: member, log: slog.New(slog.DiscardHandler), died: make(chan struct{})}
	p.store = newClient(p, 10*time.Second, 5*time.Second)
	w.locked(func() { n.proc, w.nodes = p, append(w.nodes, n) })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { p.store.run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return p.store
}
