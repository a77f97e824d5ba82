package postgres

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// pingLimit is how long a server that is asked for nothing may take.
const pingLimit = 1300 * time.Millisecond

// Pinger asks the running server for nothing, on a connection of its own: it
// notices a server that hangs, which no event tells.
type Pinger struct {
	s   *Server
	db  *sql.DB
	dsn string
}

// NewPinger returns one; it is used by one goroutine.
func (s *Server) NewPinger() *Pinger { return &Pinger{s: s} }

// Ping reports false if the server did not answer at all within the limit. A
// refusal, or an error, is an answer.
func (p *Pinger) Ping(ctx context.Context) bool {
	cfg := p.s.config()
	host, port := p.s.localAddress()
	want := dsn(database(cfg), cfg.Superuser, cluster.Upstream{Host: host, Port: port}, pingLimit)
	if p.db == nil || p.dsn != want {
		p.Close()
		db, err := open(want, &deadlineDialer{limit: pingLimit}, 1)
		if err != nil {
			return true // nothing can be said
		}
		p.db, p.dsn = db, want
	}
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	_, err := p.db.ExecContext(ctx, "SELECT")
	if err == nil || !isTimeout(err) {
		return true
	}
	p.Close() // the connection is of no use any more
	return false
}

// Close drops the connection.
func (p *Pinger) Close() {
	if p.db != nil {
		_ = p.db.Close() // of an idle or dead connection; nothing to lose
		p.db = nil
	}
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
