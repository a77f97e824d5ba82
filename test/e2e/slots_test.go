package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// slotted has permanent slots of both types, and one that is not ours.
const slotted = `ttl: 5
loop_wait: 1
retry_timeout: 2
member_slots_ttl: 6
slots:
  cdc: {type: logical, database: postgres, plugin: test_decoding}
  backup: {type: physical}
ignore_slots:
- {name: foreign, type: physical}
postgresql:
  use_pg_rewind: true
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  parameters:
    wal_level: logical
    wal_receiver_status_interval: 1s
`

// slot reads one column of a slot on a node, "" if there is no such slot.
func slot(n *lab.Node, name, column string) string {
	text, err := n.Query(fmt.Sprintf("SELECT (%s)::text FROM pg_replication_slots WHERE slot_name = '%s'", column, name))
	if err != nil {
		return "error: " + err.Error()
	}
	return text
}

// slotType waits until a slot on every started node has, or is not there for
// the type "".
func (r *run) slotType(name, want string, nodes ...*lab.Node) {
	r.t.Helper()
	for _, n := range nodes {
		r.Wait(40*time.Second, fmt.Sprintf("slot %s on %s: %q", name, n.Name, want), func() string {
			if got := slot(n, name, "slot_type"); got != want {
				return fmt.Sprintf("got %q", got)
			}
			return ""
		})
	}
}

// proven waits until no node would warn at a promotion.
func (r *run) proven() {
	r.t.Helper()
	for _, n := range r.Standbys() {
		r.Wait(30*time.Second, n.Name+" to hold back vacuum", func() string {
			held := slot(r.Leader(), n.Name, "catalog_xmin")
			if held == "" || slot(n, "cdc", "catalog_xmin") == "" {
				return "held " + held
			}
			return ""
		})
	}
}

// consumer reads the changes of table w as an application would: it confirms
// what it has seen.
type consumer struct {
	r    *run
	seen map[int64]bool
	stop context.CancelFunc
	done chan struct{}
}

var inserted = regexp.MustCompile(`table public\.w: INSERT: id\[bigint\]:(\d+)`)

func (r *run) consume() *consumer {
	ctx, stop := context.WithCancel(context.Background())
	c := &consumer{r: r, seen: map[int64]bool{}, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				for _, n := range r.Nodes {
					_ = c.read(n) // a standby refuses, and a dead server does not answer
				}
			}
		}
	}()
	r.t.Cleanup(c.end)
	return c
}

func (c *consumer) end() { c.stop(); <-c.done }

// read looks at the next changes, and confirms them when they have come.
func (c *consumer) read(n *lab.Node) error {
	db, err := n.Open("")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	last, err := c.take(ctx, db, "SELECT lsn, data FROM pg_logical_slot_peek_changes('cdc', NULL, 500)")
	if err != nil || last == "" {
		return err
	}
	_, err = c.take(ctx, db, "SELECT lsn, data FROM pg_logical_slot_get_changes('cdc', '"+last+"', NULL)")
	return err
}

func (c *consumer) take(ctx context.Context, db *sql.DB, query string) (last string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var data string
		if err := rows.Scan(&last, &data); err != nil {
			return "", err
		}
		if m := inserted.FindStringSubmatch(data); m != nil {
			id, _ := strconv.ParseInt(m[1], 10, 64)
			c.seen[id] = true
		}
	}
	return last, rows.Err()
}

// missed are rows of the leader that the consumer never saw; from is the
// first one that it could see.
func (c *consumer) missed(n *lab.Node, from int64) (missed []int64) {
	c.r.t.Helper()
	db, err := n.Open("")
	if err != nil {
		c.r.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT id FROM w WHERE id >= $1", from)
	if err != nil {
		c.r.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			c.r.t.Fatal(err)
		}
		if !c.seen[id] {
			missed = append(missed, id)
		}
	}
	if err := rows.Err(); err != nil {
		c.r.t.Fatal(err)
	}
	return missed
}

func TestSlotsAcrossFailover(t *testing.T) {
	r := under(t, slotted)
	r.slotType("cdc", "logical", r.Nodes...)
	r.slotType("backup", "physical", r.Nodes...)
	r.proven()
	c := r.consume()
	from := r.writer.Acks()[r.writer.Count()-1].ID + 1

	for range 2 { // there, and on a node whose slots were copies itself
		r.settle()
		dead := r.Leader()
		dead.KillAll()
		gap := r.recovered(30 * time.Second)
		t.Logf("write gap %v", gap.Round(time.Millisecond))
		r.writer.AwaitMore(50, 20*time.Second)
		dead.Start()
		r.WaitHealthy(40 * time.Second)
		r.slotType("cdc", "logical", r.Nodes...)
		r.proven()
	}
	r.writer.Stop()
	r.probes.Stop()
	end, err := r.Leader().Query("SELECT pg_current_wal_flush_lsn()")
	if err != nil {
		t.Fatal(err)
	}
	r.Wait(20*time.Second, "the consumer to come to the end", func() string {
		if at := slot(r.Leader(), "cdc", "confirmed_flush_lsn >= '"+end+"'"); at != "true" {
			return at
		}
		return ""
	})
	c.end()
	if missed := c.missed(r.Leader(), from); len(missed) > 0 || len(c.seen) < 100 {
		t.Errorf("the consumer saw %d changes and missed %d: %v", len(c.seen), len(missed), missed)
	}
}

func TestPhysicalSlotsOfOthers(t *testing.T) {
	r := under(t, slotted)
	leader := r.Leader()
	r.slotType("backup", "physical", r.Nodes...)
	leader.MustExec("SELECT pg_create_physical_replication_slot('foreign', true), pg_create_physical_replication_slot('stray', true)")
	leader.MustExec("SELECT pg_replication_slot_advance('backup', pg_current_wal_flush_lsn())")
	at := slot(leader, "backup", "restart_lsn")
	for _, n := range r.Standbys() {
		r.Wait(20*time.Second, "backup to advance on "+n.Name, func() string {
			if got := slot(n, "backup", "restart_lsn >= '"+at+"'"); got != "true" {
				return slot(n, "backup", "restart_lsn") + " of " + at
			}
			return ""
		})
	}
	r.slotType("stray", "", leader)
	r.slotType("foreign", "physical", leader)

	gone := r.Standbys()[0]
	rest := r.Standbys()[1]
	name := cluster.SlotName(gone.Name)
	gone.KillAll()
	killed := time.Now()
	r.slotType(name, "", leader, rest)
	if took := time.Since(killed); took < 6*time.Second {
		t.Errorf("the slot of a killed member was dropped after %v, want member_slots_ttl at least", took)
	}
	r.slotType("foreign", "physical", leader)
	gone.Start()
	r.slotType(name, "physical", leader, rest)
	r.WaitHealthy(40 * time.Second)
}
