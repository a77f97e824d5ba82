package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

const (
	// pace is the interval between two writes of one writer.
	pace = 10 * time.Millisecond
	// refusedPace is the interval of writers that open a connection for each
	// write while their node refuses: a fork of PostgreSQL each, which would
	// otherwise take the processor that the cluster needs. The writer of the
	// same node that keeps its connection open stays at pace.
	refusedPace = 50 * time.Millisecond
	// answerLimit bounds one write.
	answerLimit = 2 * time.Second
	// writerRole may connect without a password, see writerHBA: a
	// new connection should cost no more than PostgreSQL's own work.
	writerRole = "writer"
)

// Load is the writers of a whole cluster: two on each node.
type Load struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	acks []Ack
}

// StartLoad makes the table on the primary and starts to write on every node.
// The writing ends with the test at the latest.
func StartLoad(t testing.TB, primary *lab.Node, nodes []*lab.Node) *Load {
	t.Helper()
	primary.MustExec("CREATE ROLE " + writerRole + " LOGIN; CREATE TABLE w (id bigint PRIMARY KEY, node text); GRANT ALL ON w TO " + writerRole)
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{stop: stop}
	t.Cleanup(l.Stop)
	for i, n := range nodes {
		for j, kind := range []Kind{KeptOpen, New} {
			db, err := n.Open("user=" + writerRole)
			if err != nil {
				t.Fatal(err)
			}
			db.SetMaxOpenConns(1)
			if kind == New {
				db.SetMaxIdleConns(-1)
			}
			w := &writer{load: l, db: db, node: n.Name, kind: kind, next: int64(2*i+j+1) << 40}
			l.done.Go(func() { w.run(ctx) })
		}
	}
	return l
}

// Stop ends the writing.
func (l *Load) Stop() {
	l.stop()
	l.done.Wait()
}

// Acks are the acknowledged writes so far, in the order of their ends.
func (l *Load) Acks() []Ack {
	l.mu.Lock()
	acks := slices.Clone(l.acks)
	l.mu.Unlock()
	slices.SortFunc(acks, func(a, b Ack) int { return a.Done.Compare(b.Done) })
	return acks
}

// Since counts the writes that a node ("": any) acknowledged and that were
// sent after an instant, and tells when the first of them was acknowledged.
func (l *Load) Since(from time.Time, node string) (count int, first time.Time) {
	for _, a := range l.Acks() {
		if a.Sent.Before(from) || (node != "" && a.Node != node) {
			continue
		}
		if count++; count == 1 {
			first = a.Done
		}
	}
	return count, first
}

// writer writes on one node, one number after another.
type writer struct {
	load *Load
	db   *sql.DB
	node string
	kind Kind
	next int64
}

func (w *writer) run(ctx context.Context) {
	defer func() { _ = w.db.Close() }()
	interval := pace
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := pace
		if !w.write(ctx) && w.kind == New {
			next = refusedPace
		}
		if next != interval { // a ticker begins anew when it is reset
			interval = next
			tick.Reset(interval)
		}
	}
}

// write tries one number and tells whether it was acknowledged. A failed one
// is not tried again: its outcome is unknown.
func (w *writer) write(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	a := Ack{ID: w.next, Node: w.node, Kind: w.kind, Sent: time.Now()}
	w.next++
	// The row comes before the commit; QueryRow's Scan reads on until the
	// server has said that the statement is complete.
	err := w.db.QueryRowContext(ctx, fmt.Sprintf(
		"INSERT INTO w (id, node) VALUES (%d, '%s') RETURNING substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)", a.ID, a.Node)).
		Scan(&a.Timeline)
	if err != nil {
		return false
	}
	a.Done = time.Now()
	w.load.mu.Lock()
	w.load.acks = append(w.load.acks, a)
	w.load.mu.Unlock()
	return true
}

// present reads the numbers that a node has.
func present(n *lab.Node) (map[int64]bool, error) {
	db, err := n.Open("")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT id FROM w")
	if err != nil {
		return nil, fmt.Errorf("read numbers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	have := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read number: %w", err)
		}
		have[id] = true
	}
	return have, rows.Err()
}
