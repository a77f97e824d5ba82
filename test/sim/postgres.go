package sim

import (
	"strconv"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// postgres is the PostgreSQL of one node: the processes and the files. It is
// guarded by world.mu.
type postgres struct {
	w    *world
	n    *node
	dice dice

	// Files.
	empty    bool
	barren   bool // and nothing can be made there
	systemID string
	at       place // end of the log
	signal   bool  // standby.signal
	copied   bool  // a base backup that was never started
	control  control
	// consistent is the position that recovery must reach first.
	consistent cluster.LSN
	// checkpointed is the timeline of the last checkpoint, checkpoint where its
	// record starts.
	checkpointed cluster.Timeline
	checkpoint   cluster.LSN
	// hints means that a server with wal_log_hints has run on the data.
	hints bool

	slots map[string]cluster.Slot

	// Processes. gen changes whenever they have all ended.
	gen        int
	pid        int
	running    bool // the postmaster lives
	ready      bool // connections are accepted
	recovering bool
	stopping   bool // a shutdown has ended the backends
	hung       bool // a shutdown has been asked for and a backend ignores it
	orphans    bool // backends outlive their postmaster, and commit
	ended      chan struct{}
	promoting  bool

	state     cluster.State
	following *cluster.Upstream
	known     bool // following has been written by this agent
	stream    *stream
	events    chan struct{}

	// names is synchronous_standby_names, managed: written by the agent.
	names   cluster.SyncNames
	managed bool

	settling bool
	wasOpen  bool
	openedAt time.Duration // when it last began to accept writes
	asked    bool          // advance is under way
	faults   pgFaults
}

// pgFaults are what goes wrong next.
type pgFaults struct {
	failPromote, hangPromote, failClone bool
	slowStart, slowStop                 time.Duration
	hangStop                            bool
	lag                                 time.Duration
}

// stream is a WAL receiver's connection.
type stream struct {
	from *postgres
	lag  time.Duration
}

func newPostgres(n *node) *postgres {
	return &postgres{
		w: n.w, n: n, dice: n.w.dice("postgres " + n.name), empty: true,
		state: cluster.StateStopped, events: make(chan struct{}, 1),
		slots: map[string]cluster.Slot{},
	}
}

// open reports that a client's commit would be confirmed now.
func (pg *postgres) open() bool {
	if pg.n.suspended {
		return false
	}
	return pg.orphans || (pg.running && pg.ready && !pg.recovering && !pg.stopping)
}

// primary reports a server that runs and is not in recovery.
func (pg *postgres) primary() bool { return pg.running && pg.ready && !pg.recovering }

// update must be called after every change of the processes.
func (pg *postgres) update() {
	if open := pg.open(); open != pg.wasOpen {
		pg.wasOpen = open
		if open {
			pg.openedAt = pg.w.now()
			pg.w.opened(pg)
		} else {
			pg.w.note(pg.n.name, "PostgreSQL accepts no writes any more, at %v", pg.at.lsn)
			if !pg.n.suspended { // it is over, not only held up
				pg.w.restored(pg.n)
				pg.n.lax = pg.n.proc != nil && pg.n.proc.paused
			}
		}
	}
	if !pg.running && !pg.orphans {
		pg.w.restored(pg.n)
	}
	for _, n := range pg.w.nodes {
		n.pg.checkStream()
	}
}

// later runs f in d, unless all processes have ended by then; a suspended
// host does it when it goes on.
func (pg *postgres) later(d time.Duration, f func()) {
	gen := pg.gen
	pg.w.after(d, func() {
		switch {
		case pg.gen != gen:
		case pg.n.suspended:
			pg.n.onResume = append(pg.n.onResume, func() {
				if pg.gen == gen {
					f()
				}
			})
		default:
			f()
		}
	})
}

// launch creates the postmaster.
func (pg *postgres) launch(standby bool, up *cluster.Upstream) {
	pg.killAll()
	pg.signal, pg.running, pg.ready, pg.recovering = standby, true, false, standby
	pg.stopping, pg.hung, pg.promoting, pg.copied = false, false, false, false
	pg.pid = pg.w.nextPid()
	pg.ended = make(chan struct{})
	pg.following, pg.known = up, standby
	pg.state, pg.hints = cluster.StateStarting, true
	takes := pg.dice.between(200*time.Millisecond, 1500*time.Millisecond) + pg.faults.slowStart
	pg.faults.slowStart = 0
	pg.w.note(pg.n.name, "PostgreSQL starts, standby %v", standby)
	if standby {
		pg.control = inRecovery
		pg.retryStream(takes / 2)
	}
	pg.later(takes, pg.becomeReady)
	pg.update()
}

// becomeReady opens the server for connections once it is consistent.
func (pg *postgres) becomeReady() {
	if pg.ready || pg.stopping {
		return
	}
	pg.advance()
	if pg.recovering && pg.at.lsn < pg.consistent {
		pg.later(200*time.Millisecond, pg.becomeReady)
		return
	}
	pg.ready, pg.state = true, cluster.StateRunning
	if !pg.recovering {
		pg.recovered()
	}
	pg.notify()
	pg.update()
}

// writes makes the server the writer of its log on that timeline.
func (pg *postgres) writes(timeline cluster.Timeline) {
	b := pg.at.branch
	if b.timeline != timeline || b.writer != pg.n || b.end != pg.at.lsn {
		b = &branch{timeline: timeline, parent: b, fork: pg.at.lsn, writer: pg.n, end: pg.at.lsn}
	}
	pg.control = inProduction
	pg.at = place{b, b.write(0, pg.w.now(), 120).end}
}

// promoted ends recovery.
func (pg *postgres) promoted() {
	pg.advance()
	pg.stream = nil
	pg.promoting, pg.recovering, pg.signal = false, false, false
	pg.following, pg.known = nil, false
	pg.writes(pg.at.branch.timeline + 1)
	pg.w.note(pg.n.name, "PostgreSQL was promoted to timeline %d", pg.at.branch.timeline)
	pg.notify()
	pg.update()
}

func (pg *postgres) notify() { notify(pg.events) }

// killAll ends every process at once.
func (pg *postgres) killAll() {
	if !pg.running && !pg.orphans {
		return
	}
	pg.w.note(pg.n.name, "PostgreSQL is killed")
	pg.end(cluster.StateCrashed)
}

// end takes note that no process is left.
func (pg *postgres) end(state cluster.State) {
	pg.hangUp()
	pg.advance()
	pg.gen++
	pg.stream = nil
	if pg.running {
		close(pg.ended)
	}
	pg.running, pg.ready, pg.recovering, pg.stopping, pg.hung, pg.orphans, pg.promoting = false, false, false, false, false, false, false
	pg.pid = 0
	if pg.state != cluster.StateCreatingReplica {
		pg.state = state
	}
	pg.notify()
	pg.update()
}

// crash kills the postmaster; its backends may live on for a while.
func (pg *postgres) crash(orphans bool, live time.Duration) {
	if !pg.running {
		return
	}
	open := pg.open()
	pg.w.note(pg.n.name, "the postmaster is killed, backends live on: %v", orphans && open)
	if !orphans || !open {
		pg.end(cluster.StateCrashed)
		return
	}
	pg.orphans, pg.running, pg.ready = true, false, false
	close(pg.ended)
	pg.gen++
	pg.state, pg.pid = cluster.StateCrashed, 0
	pg.later(live, func() { pg.end(cluster.StateCrashed) })
	pg.notify()
	pg.update()
}

// stop ends the backends, then the postmaster. onShutdown is called with the
// end of the shutdown checkpoint.
func (pg *postgres) stop(onShutdown func(cluster.LSN)) {
	pg.hangUp()
	pg.state = cluster.StateStopping
	if pg.hung = pg.faults.hangStop; pg.hung {
		pg.faults.hangStop = false
		pg.w.note(pg.n.name, "PostgreSQL does not stop: a backend ignores the request")
		pg.later(pg.dice.between(5*time.Second, time.Minute), func() {
			if pg.hung {
				pg.end(cluster.StateStopped)
			}
		})
		return
	}
	wrote := pg.ready && !pg.recovering
	replayed := pg.ready && pg.recovering
	pg.stopping = true
	pg.update()
	slow := pg.faults.slowStop
	pg.faults.slowStop = 0
	pg.later(pg.dice.between(30*time.Millisecond, 300*time.Millisecond), func() {
		wait := time.Duration(0)
		if wrote {
			pg.shutDownCheckpoint()
			for _, n := range pg.w.nodes {
				if s := n.pg.stream; s != nil && s.from == pg {
					wait = max(wait, s.lag)
				}
			}
			if onShutdown != nil {
				go onShutdown(pg.at.lsn)
			}
		} else if replayed {
			pg.advance()
			pg.control = shutDownInRecovery
		}
		pg.later(wait+slow+pg.dice.between(20*time.Millisecond, 100*time.Millisecond), func() {
			pg.w.note(pg.n.name, "PostgreSQL has stopped, at %v", pg.at.lsn)
			pg.end(cluster.StateStopped)
		})
	})
}

// upstream is the server that the recovery settings name, nil if none.
func (pg *postgres) upstream() *postgres {
	if pg.following == nil {
		return nil
	}
	return pg.w.postgresOf(pg.following)
}

// advance takes over what has been received by now.
func (pg *postgres) advance() {
	s := pg.stream
	if s == nil || !pg.running || !pg.recovering || pg.n.suspended || pg.asked {
		return
	}
	pg.asked = true // standbys may stream in a circle
	s.from.advance()
	pg.asked = false
	have := s.from.at
	if !s.from.recovering {
		if at := have.branch.writtenBy(pg.w.now() - s.lag - pg.faults.lag); at < have.lsn {
			have = have.back(at)
		}
	}
	if have.lsn > pg.at.lsn {
		pg.at = have
	}
}

// checkStream ends the stream when its other end, or the way there, is gone.
func (pg *postgres) checkStream() {
	s := pg.stream
	if s == nil {
		return
	}
	if !pg.running || pg.n.suspended || s.from.n.suspended || !s.from.running ||
		!pg.w.net.both(toReplicate, pg.n.name, s.from.n.name) || pg.upstream() != s.from {
		pg.breakStream()
	}
}

func (pg *postgres) breakStream() {
	if s := pg.stream; s != nil {
		s.from.settle()
		pg.advance()
		pg.stream = nil
		pg.retryStream(pg.dice.between(500*time.Millisecond, 5*time.Second))
	}
}

// retryStream tries to connect to the upstream after that time, and again.
func (pg *postgres) retryStream(wait time.Duration) {
	pg.later(wait, func() {
		if pg.stream != nil || !pg.recovering || pg.stopping {
			return
		}
		up := pg.upstream()
		if up != nil && up != pg && up.running && up.ready && !up.n.suspended && pg.w.net.both(toReplicate, pg.n.name, up.n.name) {
			up.advance()
			if up.at.has(pg.at) {
				pg.stream = &stream{from: up, lag: pg.dice.between(time.Millisecond, 30*time.Millisecond)}
				return
			}
		}
		if up != nil {
			pg.retryStream(pg.dice.between(time.Second, 5*time.Second))
		}
	})
}

// streaming reports that the standby receives from the upstream it should.
func (pg *postgres) streaming() bool { return pg.stream != nil && pg.running && pg.ready }

// observe is what an agent sees.
func (pg *postgres) observe() cluster.Instance {
	pg.advance()
	in := cluster.Instance{State: pg.state, DataEmpty: pg.empty, Standby: pg.signal, ServerVersion: 150000}
	if pg.state == cluster.StateCreatingReplica || pg.state == cluster.StateInitializing {
		in.DataEmpty = true
		return in
	}
	if pg.empty {
		return in
	}
	in.SystemID, in.Timeline = pg.systemID, pg.at.branch.timeline
	if !pg.running {
		in.Control = pg.controlFile()
		return in
	}
	in.Running, in.Pid = true, pg.pid
	if !pg.ready || pg.stopping || pg.hung {
		in.Err = "does not answer: " + string(pg.state)
		return in
	}
	in.Ready, in.Standby = true, pg.recovering
	in.History, in.CheckpointTimeline = pg.at.history(), pg.checkpointed
	in.SyncNames, in.SyncCommit, in.SyncManaged = pg.names.String(), "on", pg.managed
	if !pg.recovering {
		in.WriteLSN, in.Replication = pg.at.lsn, pg.senders()
		return in
	}
	in.ReceiveLSN, in.ReplayLSN = pg.at.lsn, pg.at.lsn
	if pg.stream != nil {
		in.ReplicationState = "streaming"
		in.UpstreamHost, in.UpstreamPort = pg.following.Host, pg.following.Port
	}
	return in
}

func systemID(seed uint64) string { return strconv.FormatUint(7_000_000_000_000_000_000+seed, 10) }
