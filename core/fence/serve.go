package fence

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/lease"
)

// tick is how often the fence looks at its clock although nothing is due: a
// timer that the kernel forgot must not cost more than this.
const tick = 100 * time.Millisecond

// KilledPrefix begins what is told of a kill; the reason follows.
const KilledPrefix = "PostgreSQL was killed: "

// Options are what the fence process needs.
type Options struct {
	// StateDir is where its socket is.
	StateDir string
	// Wait is how long a gone agent is waited for.
	Wait time.Duration
	// Spent is the session that a former fence has killed for, 0 if none did.
	Spent int64
	// Kill sends SIGKILL to every process of the server and returns when the
	// signals are queued. It must need nothing but the kernel. It is repeated
	// until it succeeds.
	Kill func() error
	// CloseSession ends the ZooKeeper session that was killed for. It is
	// called after Kill has succeeded only, from another goroutine, since it
	// may take long. Before anything is sent it must be sure that the next
	// fence will be told of that session as Spent.
	CloseSession func(session int64) error
	// Tell is told what was done, after it was done.
	Tell func(what string, err error)
}

// Serve is the life of the fence process. It returns nil when the agent sent
// Quit, or is gone with nothing armed.
func Serve(o Options) error {
	listener, err := listen(o.StateDir)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(listener) }()
	timer, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("make timer: %w", err)
	}
	defer func() { _ = unix.Close(timer) }()
	harden(o)
	s := &server{o: o, m: Machine{Wait: o.Wait, Spent: o.Spent}, listener: listener, timer: timer, agent: -1}
	s.m.AgentGone(lease.Now()) // none is there yet
	return s.run()
}

// harden makes the process hard to hold up. What is not permitted is told
// and done without.
func harden(o Options) {
	runtime.LockOSThread()
	// With MCL_ONFAULT only what is touched is locked, not all that the
	// runtime has reserved.
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		o.Tell("memory is not locked", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20); err != nil {
		o.Tell("priority is not raised", err)
	}
	debug.SetGCPercent(400) // there is next to nothing to collect
}

type server struct {
	o        Options
	m        Machine
	listener int
	timer    int
	agent    int // -1: none is connected
	// closing is closed when the last session has been closed, or could not
	// be; nil: none was to.
	closing chan struct{}
	// unkilled means that the last try to kill has failed.
	unkilled bool

	packet [packetSize]byte
	reply  [replySize]byte
}

func (s *server) run() error {
	fds := make([]unix.PollFd, 0, 3)
	for {
		order, why := s.m.Next(lease.Now())
		switch {
		case order == Kill && s.kill(why):
			continue
		case order == Exit && !s.busy():
			return nil
		case order == Nothing:
			s.arm()
		} // else the tick comes back to it
		fds = append(fds[:0],
			unix.PollFd{Fd: int32(s.timer), Events: unix.POLLIN}, unix.PollFd{Fd: int32(s.listener), Events: unix.POLLIN})
		if s.agent >= 0 {
			fds = append(fds, unix.PollFd{Fd: int32(s.agent), Events: unix.POLLIN})
		}
		if _, err := unix.Poll(fds, int(tick/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for events: %w", err)
		}
		if fds[0].Revents != 0 {
			var count [8]byte
			_, _ = unix.Read(s.timer, count[:]) // only to clear it
		}
		if len(fds) == 3 && fds[2].Revents != 0 {
			s.read()
		}
		if fds[1].Revents != 0 {
			s.accept()
		}
	}
}

// arm sets the timer to the next deadline.
func (s *server) arm() {
	var spec unix.ItimerSpec
	if at := s.m.Deadline(); at != 0 {
		spec.Value = unix.NsecToTimespec(max(int64(at.Boottime()), 1))
	}
	if err := unix.TimerfdSettime(s.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		return // the tick stands in
	}
}

// kill stops PostgreSQL for good, and only then talks. It reports false if
// PostgreSQL may still run: then the session must not be closed either, since
// another would be primary at once, and the next tick tries again.
func (s *server) kill(why Reason) bool {
	err := s.o.Kill()
	if err != nil {
		err = s.o.Kill()
	}
	if err != nil {
		if !s.unkilled {
			s.o.Tell("PostgreSQL is not killed yet: "+why.String(), err)
		}
		s.unkilled = true
		return false
	}
	s.unkilled = false
	session := s.m.Killed(why)
	s.o.Tell(KilledPrefix+why.String(), nil)
	if s.o.CloseSession != nil {
		s.close(session)
	}
	return true
}

// busy reports that a session is being closed. Until it is, the fence answers:
// an agent that comes meanwhile must not need another.
func (s *server) busy() bool {
	if s.closing == nil {
		return false
	}
	select {
	case <-s.closing:
		return false
	default:
		return true
	}
}

// close closes session beside everything else: an agent that is there must
// get its answers meanwhile, or it takes this fence for dead and starts
// another, which does not know that the session is spent.
func (s *server) close(session int64) {
	before, done := s.closing, make(chan struct{})
	s.closing = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		s.o.Tell("the ZooKeeper session was closed", s.o.CloseSession(session))
	}()
}

// accept takes the newest agent: a restarted one replaces its predecessor.
func (s *server) accept() {
	fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	if s.agent >= 0 {
		_ = unix.Close(s.agent)
	}
	s.agent = fd
	s.m.AgentThere()
}

// read takes one message, or notes that the agent is gone.
func (s *server) read() {
	n, err := unix.Read(s.agent, s.packet[:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err == nil && n > 0 {
		msg, err := parseMessage(s.packet[:n])
		if err == nil {
			_, _ = unix.Write(s.agent, s.m.On(msg).append(s.reply[:0])) // a gone agent shows at the next read
			return
		}
	}
	_ = unix.Close(s.agent)
	s.agent = -1
	s.m.AgentGone(lease.Now())
}
