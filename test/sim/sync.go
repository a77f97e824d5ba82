package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// confirmable is up to where the standbys in synchronous_standby_names have
// confirmed by now.
func (pg *postgres) confirmable() cluster.LSN {
	names := pg.names
	if len(names.Names) == 0 {
		return pg.at.lsn
	}
	var have []cluster.LSN
	for _, name := range names.Names {
		if n := pg.w.node(name); n != nil && n.pg.stream != nil && n.pg.stream.from == pg {
			n.pg.advance()
			have = append(have, n.pg.at.lsn)
		}
	}
	if len(have) < names.Num {
		return 0
	}
	if !names.Any { // the first of the list that stream
		return slices.Min(have[:names.Num])
	}
	slices.Sort(have)
	return have[len(have)-names.Num]
}

// settle confirms what this server may confirm by now.
func (pg *postgres) settle() {
	if !pg.open() || pg.settling {
		return
	}
	pg.settling = true // standbys may stream in a circle
	limit := pg.confirmable()
	pg.settling = false
	b, wr := pg.at.branch, &pg.w.writer
	guarded := len(pg.names.Names) > 0
	for i := wr.seen[b]; i < len(b.records) && b.records[i].end <= limit; i++ {
		if r := b.records[i]; r.id != 0 && !pg.w.beside(pg.n) {
			wr.confirmed = append(wr.confirmed, confirmed{place{b, r.end}, guarded})
			wr.total++
		}
		wr.seen[b] = i + 1
	}
}

// hangUp ends the sessions that wait for a confirmation: their clients will
// never know.
func (pg *postgres) hangUp() {
	pg.settle()
	if b := pg.at.branch; b != nil && b.writer == pg.n {
		pg.w.writer.seen[b] = len(b.records)
	}
}

// senders are the rows of pg_stat_replication.
func (pg *postgres) senders() (list []cluster.WALSender) {
	for _, n := range pg.w.nodes {
		if n.pg.stream == nil || n.pg.stream.from != pg {
			continue
		}
		n.pg.advance()
		s := cluster.WALSender{ApplicationName: n.name, State: "streaming", SyncState: "async", WriteLSN: n.pg.at.lsn, FlushLSN: n.pg.at.lsn, ReplayLSN: n.pg.at.lsn}
		s.SyncState, s.SyncPriority = pg.syncState(n.name)
		list = append(list, s)
	}
	return list
}

// syncState is what a standby that streams is for the names: of "the first Num"
// the later ones are only potential.
func (pg *postgres) syncState(name string) (state string, priority int) {
	at := slices.IndexFunc(pg.names.Names, func(n string) bool { return strings.EqualFold(n, name) })
	switch {
	case at < 0:
		return "async", 0
	case pg.names.Any:
		return "quorum", 1
	}
	before := 0
	for _, n := range pg.names.Names[:at] {
		if other := pg.w.node(n); other != nil && other.pg.stream != nil && other.pg.stream.from == pg {
			before++
		}
	}
	if before >= pg.names.Num {
		return "potential", at + 1
	}
	return "sync", at + 1
}

// SetSyncNames sets synchronous_standby_names, also for later starts.
func (o *pgPort) SetSyncNames(ctx context.Context, names *cluster.SyncNames) (at cluster.LSN, err error) {
	if err := o.takes(ctx, o.draw(5*time.Millisecond, 60*time.Millisecond)); err != nil {
		return 0, err
	}
	if dead := o.do(func() {
		pg := o.pg
		if !pg.running || !pg.ready || pg.stopping || pg.hung {
			err = errors.New("PostgreSQL does not answer")
			return
		}
		pg.settle()
		pg.managed, pg.names = names != nil, cluster.SyncNames{}
		if names != nil {
			pg.names = *names
		}
		pg.w.note(pg.n.name, "synchronous_standby_names is %q", pg.names)
		pg.w.checkSync()
		if names == nil || pg.recovering {
			return
		}
		at = pg.at.lsn
		pg.at.lsn = pg.at.branch.write(0, pg.w.now(), 60).end // moves the log on
	}); dead != nil {
		return 0, dead
	}
	if err == nil {
		err = o.takes(ctx, o.draw(time.Millisecond, 20*time.Millisecond))
	}
	return at, err
}

// SetSync replaces the sync key as leader.
func (c *client) SetSync(ctx context.Context, s cluster.SyncState, version int32) (int32, error) {
	r := &c.w.zk.rest
	conflict := false
	next := version + 1
	if version == cluster.NoVersion {
		next = 0
	}
	err := c.asLeader(ctx, "sync", func() bool {
		if conflict = !versioned(version, r.Sync.Exists, r.Sync.Version); conflict {
			return false
		}
		s.Exists, s.Version = true, next
		r.Sync = s
		c.w.note("zk", "%s writes sync %s", c.name, text(s.Encode()))
		c.w.checkSync()
		c.w.checkListed(s)
		return true
	})
	c.w.locked(func() {
		switch {
		case err == nil && !conflict:
			c.syncAtLeast = next
		case errors.Is(err, cluster.ErrOutcomeUnknown):
			c.syncDoubt = true
		}
	})
	if err == nil && conflict {
		err = cluster.ErrConflict
	}
	return next, err
}

// text is shown as such in the transcript.
type text []byte

func (t text) String() string { return string(t) }

// checkSync looks whether the sync key and the names in force on the server
// that it names are a pair under which whoever may be promoted has every
// commit: a candidate that has looked at quorum other voters must meet one
// that had to confirm.
func (w *world) checkSync() {
	s := w.zk.rest.Sync
	if !w.setup.Settings.Synchronous() || !s.Active() || s.Broken || len(s.Standbys) == 0 { // by a broken key nobody leads
		return
	}
	n := w.node(s.Leader)
	if n == nil || !n.pg.open() || w.zk.lock == nil || w.zk.lock.Name != n.name {
		return
	}
	strangers := 0
	for _, name := range n.pg.names.Names {
		if !slices.ContainsFunc(s.Standbys, func(v string) bool { return strings.EqualFold(v, name) }) {
			strangers++
		}
	}
	must := max(0, n.pg.names.Num-strangers)
	if len(s.Standbys) > s.Quorum+must {
		w.violated("I5: sync is %s and %s has synchronous_standby_names %q", s.Encode(), n.name, n.pg.names)
	}
}

// CheckSync implements agent.Store.
func (c *client) CheckSync(ctx context.Context, version int32) error {
	r := &c.w.zk.rest
	conflict := false
	err := c.asLeader(ctx, "sync", func() bool {
		conflict = !versioned(version, r.Sync.Exists, r.Sync.Version)
		return false
	})
	if conflict {
		return fmt.Errorf("check sync: %w", cluster.ErrConflict)
	}
	return err
}
