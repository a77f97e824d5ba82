package sim

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/sim/contract"
)

// The model of PostgreSQL keeps the contract that the adapter keeps.
func TestPostgresContract(t *testing.T) {
	for _, c := range contract.PostgresCases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := Draw(1)
				if err != nil {
					t.Fatal(err)
				}
				s.Nodes = 0
				w := newWorld(s)
				defer w.finish()
				c.Run(t, func(member string) contract.Server { return openServer(w, member) })
			})
		})
	}
}

// modelServer is the model's server with a client of it.
type modelServer struct{ *pgPort }

func openServer(w *world, member string) modelServer {
	n := newNode(w, len(w.nodes))
	n.name = member
	p := &process{n: n, id: member, log: slog.New(slog.DiscardHandler), died: make(chan struct{})}
	w.locked(func() { n.proc, w.nodes = p, append(w.nodes, n) })
	return modelServer{&pgPort{p: p, pg: n.pg}}
}

func (m modelServer) Upstream() cluster.Upstream {
	return cluster.Upstream{Name: m.pg.n.name, Host: m.pg.n.name, Port: 5432}
}

// Write looks now and then whether the commit is confirmed.
func (m modelServer) Write(ctx context.Context, key int) error {
	pg, w := m.pg, m.pg.w
	var at place
	gen := 0
	w.locked(func() {
		if !pg.open() {
			return
		}
		at, gen = place{pg.at.branch, pg.at.branch.write(key, w.now(), 1000).end}, pg.gen
		pg.at.lsn = at.lsn
	})
	if at.branch == nil {
		return errors.New("it takes no writes")
	}
	for {
		over, done := false, false
		w.locked(func() {
			over = pg.gen != gen || pg.stopping
			pg.settle()
			for _, c := range w.writer.confirmed {
				done = done || c.place == at
			}
		})
		switch {
		case done:
			return nil
		case over:
			return errors.New("the session has ended")
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m modelServer) Has(_ context.Context, key int) (there bool, err error) {
	pg := m.pg
	pg.w.locked(func() {
		if !pg.running || !pg.ready || pg.stopping {
			err = errors.New("it does not answer")
			return
		}
		pg.advance()
		limit := pg.at.lsn
		for b := pg.at.branch; b != nil; b = b.parent {
			for _, r := range b.records {
				there = there || r.id == key && r.end <= limit
			}
			limit = min(limit, b.fork)
		}
	})
	return there, err
}
