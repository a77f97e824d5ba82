package lab

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"
)

// Pace is the interval between two writes.
const Pace = 10 * time.Millisecond

// Ack is one acknowledged write.
type Ack struct {
	ID         int64
	Node       string // by the server's own word
	Sent, Done time.Time
}

// Writer writes unique numbers through one DSN, one after another, as an
// application with a connection pool would.
type Writer struct {
	lab  *Lab
	db   *sql.DB
	stop context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	acks []Ack
	next int64
}

// CreateTable makes the table that writers use.
func (l *Lab) CreateTable() {
	l.T.Helper()
	l.Leader().MustExec("CREATE TABLE IF NOT EXISTS w (id bigint PRIMARY KEY, node text)")
}

// NewWriter starts to write on whichever node accepts writes; first is its
// first number. The table must exist.
func (l *Lab) NewWriter(first int64) *Writer {
	return l.writer(dsn(l.Nodes...)+" target_session_attrs=read-write", first)
}

// NewWriterAt writes through another endpoint, as HAProxy's port.
func (l *Lab) NewWriterAt(port int, first int64) *Writer {
	n := *l.Nodes[0]
	n.SQLPort = port
	return l.writer(dsn(&n), first)
}

func (l *Lab) writer(dsn string, first int64) *Writer {
	l.T.Helper()
	db, err := l.open(dsn)
	if err != nil {
		l.T.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(context.Background())
	w := &Writer{lab: l, db: db, stop: stop, done: make(chan struct{}), next: first}
	go w.run(ctx)
	l.T.Cleanup(w.Stop)
	return w
}

func (w *Writer) run(ctx context.Context) {
	defer close(w.done)
	tick := time.NewTicker(Pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.write(ctx)
		}
	}
}

// write tries one number. A failed one is not tried again: its outcome is
// unknown.
func (w *Writer) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	w.mu.Lock()
	id := w.next
	w.next++
	w.mu.Unlock()
	a := Ack{ID: id, Sent: time.Now()}
	err := w.db.QueryRowContext(ctx, "INSERT INTO w (id, node) VALUES ($1, inet_server_port()::text) RETURNING node", id).Scan(&a.Node)
	if err != nil {
		return
	}
	a.Done = time.Now()
	w.mu.Lock()
	w.acks = append(w.acks, a)
	w.mu.Unlock()
}

// Stop ends the writing.
func (w *Writer) Stop() {
	w.stop()
	<-w.done
	_ = w.db.Close()
}

// Acks are the acknowledged writes so far.
func (w *Writer) Acks() []Ack {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Ack(nil), w.acks...)
}

// Count is the number of acknowledged writes.
func (w *Writer) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acks)
}

// AwaitMore waits for n further acknowledged writes.
func (w *Writer) AwaitMore(n int, limit time.Duration) {
	w.lab.T.Helper()
	from := w.Count()
	w.lab.Wait(limit, fmt.Sprintf("%d more acknowledged writes", n), func() string {
		if got := w.Count() - from; got < n {
			return fmt.Sprintf("%d came", got)
		}
		return ""
	})
}

// Gap is the longest time without an acknowledged write since from.
func (w *Writer) Gap(from time.Time) time.Duration {
	var longest time.Duration
	last := from
	for _, a := range w.Acks() {
		if a.Done.Before(from) {
			continue
		}
		longest = max(longest, a.Done.Sub(last))
		last = a.Done
	}
	return longest
}

// Missing are the acknowledged numbers that n does not have.
func (w *Writer) Missing(n *Node) []int64 {
	w.lab.T.Helper()
	return n.Missing(w.Acks())
}

// Missing are the numbers among acks that n does not have.
func (n *Node) Missing(acks []Ack) []int64 {
	l := n.lab
	l.T.Helper()
	db, err := n.Open("")
	if err != nil {
		l.T.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT id FROM w")
	if err != nil {
		l.T.Fatalf("%s: read numbers: %v", n.Name, err)
	}
	defer func() { _ = rows.Close() }()
	have := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			l.T.Fatal(err)
		}
		have[id] = true
	}
	if err := rows.Err(); err != nil {
		l.T.Fatal(err)
	}
	var lost []int64
	for _, a := range acks {
		if !have[a.ID] {
			lost = append(lost, a.ID)
		}
	}
	return lost
}
