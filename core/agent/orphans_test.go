package agent

import (
	"context"
	"log/slog"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

// goneServer is a PostgreSQL whose postmaster has vanished.
type goneServer struct {
	Postgres
	kills int
}

func (p *goneServer) Observe(context.Context) cluster.Instance { return cluster.Instance{} }
func (p *goneServer) Kill() error                              { p.kills++; return nil }

func TestOrphansAreKilledUnlessTheWorkReplacesThePostmaster(t *testing.T) {
	for kind, want := range map[string]int{"": 1, "promote": 1, "reload": 1, "restart": 0, "follow": 0, "copy slots": 0, "hand-over": 0} {
		p := &goneServer{}
		a := &Agent{o: Options{Postgres: p, Store: &leasedStore{}}, log: slog.New(slog.DiscardHandler)}
		a.s.instance = cluster.Instance{Running: true, Pid: 42}
		if kind != "" {
			a.s.job = &job{kind: kind, stopping: kind == "hand-over"}
		}
		a.observePostgres(t.Context())
		if p.kills != want {
			t.Errorf("%q: killed %d times, want %d", kind, p.kills, want)
		}
	}
}
