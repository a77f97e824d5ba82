package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
	"github.com/pgregent/pgregent/test/sim/contract"
)

// The adapter keeps the contract that the simulation's model keeps.
func TestPostgresContract(t *testing.T) {
	for _, c := range contract.PostgresCases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel() // a case mostly waits for servers
			c.Run(t, func(member string) contract.Server {
				return contracted{newServer(t, pgtest.Config(t, member))}
			})
		})
	}
}

// contracted is a server with a client of it.
type contracted struct{ *Server }

func (c contracted) Upstream() cluster.Upstream { return upstreamOf(c.Server) }

func (c contracted) Write(ctx context.Context, key int) error {
	return c.withLocal(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return execSQL(ctx, conn, fmt.Sprintf("CREATE TABLE IF NOT EXISTS public.contract (key int); INSERT INTO public.contract VALUES (%d)", key))
	})
}

func (c contracted) Has(ctx context.Context, key int) (there bool, err error) {
	err = c.withLocal(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM public.contract WHERE key = $1)", key).Scan(&there)
	})
	return there, err
}
