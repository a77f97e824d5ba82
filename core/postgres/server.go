package postgres

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// Options are what a Server needs.
type Options struct {
	// Config is in force until Configure is called.
	Config config.Postgres
	// Effective merges the dynamic configuration; its second result is one
	// sentence for each value that was not used as written.
	Effective func(dynamic *cluster.Object) (config.Postgres, []string)
	// Bootstrap is nil on a node that never bootstraps a cluster.
	Bootstrap *config.Bootstrap
	// Site runs what the site has configured; nil: nothing but pg_basebackup is
	// run.
	Site   Site
	Logger *slog.Logger
}

// Server is the local PostgreSQL.
type Server struct {
	log       *slog.Logger
	effective func(*cluster.Object) (config.Postgres, []string)
	bootstrap *config.Bootstrap
	site      Site
	reloads   atomic.Int64
	building  atomic.Pointer[cluster.Build]
	events    chan struct{}
	watching  sync.WaitGroup // goroutines that watch postmasters

	disk diskWatch

	confMu sync.Mutex // one writer of the configuration files at a time

	mu  sync.Mutex // guards all below
	cfg config.Postgres
	// warned are the last warnings by what gave them; they are logged when
	// they change.
	warned map[string][]string
	// realDir is the data directory with links resolved; "" until it exists.
	realDir string
	// phase is what the last operation left behind or is about to do.
	phase cluster.State
	pm    *postmaster // nil when none was found
	// lastHead and lastStatus tell whether a change of the files is worth an
	// event.
	lastHead   controlHead
	lastStatus string
	// restored is a cluster that a bootstrap method made, until it is ready.
	restored *restore
	probe    *sql.DB // pool for the status query; nil when closed
	probeDSN string
	// timeline is the newest that the running postmaster was seen on.
	timeline cluster.Timeline
	standby  bool // last answer of the running postmaster
	// followKnown is true once this Server has written recovery settings.
	followKnown bool
	following   *cluster.Upstream
	pending     *cluster.Object // parameters that wait for a restart
	pendingOf   *postmaster     // whose; evaluated once for each postmaster
	// syncNames are the agent's synchronous_standby_names; nil: those of the
	// configuration. syncKnown means that it has been set, or read back.
	syncNames *cluster.SyncNames
	syncKnown bool
	control   controlCache
	history   historyCache
	segment   uint64
	gucs      gucCache
	refused   refusalCache
	force     bool // the next Configure reloads, whatever it finds
}

// New makes a Server. It touches nothing until a method is called.
func New(o Options) *Server {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		log: log, effective: o.Effective, bootstrap: o.Bootstrap, site: o.Site,
		events: make(chan struct{}, 1), cfg: o.Config, phase: cluster.StateStopped,
		warned: map[string][]string{}, disk: diskWatch{busy: make(chan struct{}, 1)},
	}
}

// Close gives up the connections and the hold on the postmaster, which goes
// on running.
func (s *Server) Close() {
	s.closeConnections()
	s.mu.Lock()
	pm := s.pm
	s.pm = nil
	s.mu.Unlock()
	if pm != nil {
		pm.release()
	}
	s.watching.Wait()
}

// Events receives a value when the postmaster exits, when its control file
// gets another state or checkpoint, or its status in postmaster.pid changes.
// Values are coalesced.
func (s *Server) Events() <-chan struct{} { return s.events }

func (s *Server) notify() {
	select {
	case s.events <- struct{}{}:
	default:
	}
}

func (s *Server) config() config.Postgres {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

func (s *Server) setPhase(p cluster.State) {
	s.mu.Lock()
	s.phase = p
	s.mu.Unlock()
}

// enter is setPhase, but a restart stays one until it has ended.
func (s *Server) enter(p cluster.State) {
	s.mu.Lock()
	if s.phase != cluster.StateRestarting {
		s.phase = p
	}
	s.mu.Unlock()
}

// resolvedDir is the data directory with links resolved, "" if it was never
// there. It is kept, so that Kill need not touch the storage.
func (s *Server) resolvedDir() string {
	s.mu.Lock()
	dir, data := s.realDir, s.cfg.DataDir
	s.mu.Unlock()
	if dir != "" {
		return dir
	}
	dir, err := filepath.EvalSymlinks(data)
	if err != nil {
		return ""
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return ""
	}
	s.mu.Lock()
	s.realDir = dir
	s.mu.Unlock()
	return dir
}

// find returns the running postmaster, nil if there is none. One that runs
// already is taken over without touching it.
func (s *Server) find() *postmaster {
	s.mu.Lock()
	pm := s.pm
	s.mu.Unlock()
	if pm != nil {
		if pm.alive() {
			return pm
		}
		s.postmasterExited(pm)
	}
	dir := s.resolvedDir()
	if dir == "" {
		return nil
	}
	file, found, err := readPidFile(dir)
	if err != nil || !found {
		return nil
	}
	proc, ok := file.isPostmaster(dir)
	if !ok {
		return nil
	}
	pm, err = s.hold(proc, dir, nil)
	if err != nil {
		s.log.Warn("postmaster cannot be watched", slog.Any("err", err))
		return nil
	}
	return pm
}

// hold takes hold of a postmaster, unless another call was faster. reaped is
// nil for one that this process did not start.
func (s *Server) hold(proc process, dir string, reaped chan string) (*postmaster, error) {
	pm, err := openPostmaster(proc, dir)
	if err != nil {
		return nil, err
	}
	pm.reaped = reaped
	s.mu.Lock()
	if s.pm != nil {
		other := s.pm
		s.mu.Unlock()
		pm.release()
		return other, nil
	}
	s.pm = pm
	s.timeline, s.standby = 0, false
	if s.phase == cluster.StateStopped || s.phase == cluster.StateCrashed || s.phase == cluster.StateStartFailed {
		s.phase = cluster.StateRunning
	}
	s.mu.Unlock()
	pm.run(&s.watching, func() { s.filesChanged(dir) }, func() { s.postmasterExited(pm) })
	s.log.Info("postmaster found", slog.Int("pid", proc.pid))
	return pm, nil
}

// filesChanged sends an event if the change means something.
func (s *Server) filesChanged(dir string) {
	head, err := readControlHead(dir)
	if err != nil {
		return
	}
	file, _, err := readPidFile(dir)
	if err != nil {
		return // half written; the next change tells
	}
	s.mu.Lock()
	same := head == s.lastHead && file.Status == s.lastStatus
	s.lastHead, s.lastStatus = head, file.Status
	s.mu.Unlock()
	if !same {
		s.notify()
	}
}

// postmasterExited takes note that a postmaster has exited. Who sees it
// first does it; for the others it does nothing.
func (s *Server) postmasterExited(pm *postmaster) {
	s.mu.Lock()
	if s.pm != pm {
		s.mu.Unlock()
		return
	}
	s.pm = nil
	s.pending, s.pendingOf = nil, nil
	crashed := s.phase == cluster.StateRunning || s.phase == cluster.StateStarting
	if crashed {
		s.phase = cluster.StateCrashed
	}
	s.mu.Unlock()
	if crashed {
		s.log.Warn("postmaster is gone", slog.Int("pid", pm.proc.pid))
	}
	if pm.reaped == nil {
		// It is a child all the same if the agent is process 1, which must
		// reap what it inherits; else this does nothing.
		_, _ = unix.Wait4(pm.proc.pid, nil, unix.WNOHANG, nil)
	}
	s.closeConnections()
	s.notify()
}

// eventually runs f with its own time limit, also when ctx has ended.
func eventually(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return f(ctx)
}
