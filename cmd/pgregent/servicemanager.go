package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/pgregent/pgregent/core/cluster"
)

const (
	// extendEvery is how often more time is asked for while the agent stops,
	// and extendBy how much: several asks may get lost.
	extendEvery = 5 * time.Second
	extendBy    = 30 * time.Second
	// stopLimit ends the asking: an agent that stops for longer hangs.
	stopLimit = time.Hour
)

// serviceManager tells systemd how the agent is: ready after the first round,
// alive after every one, and what it does. Without systemd it says nothing.
//
// The loop must not wait for systemd's socket, so it only leaves a note.
type serviceManager struct {
	rounds chan struct{} // capacity 1
	say    func(state string)
	// alive is how often systemd has to hear of a round; 0: not at all.
	alive time.Duration
	// program is the path that this program was started from.
	program string
}

func newServiceManager() *serviceManager {
	m := &serviceManager{rounds: make(chan struct{}, 1), say: func(state string) {
		_, _ = daemon.SdNotify(false, state) // nobody listens: nothing to do about it
	}}
	m.alive, _ = daemon.SdWatchdogEnabled(false)
	m.program, _ = os.Executable() // "" if unknown
	return m
}

// turned notes that the loop has made a complete round. It never blocks.
func (m *serviceManager) turned() {
	select {
	case m.rounds <- struct{}{}:
	default:
	}
}

// run passes the notes on until ctx ends. Between rounds it is silent: a loop
// that hangs is to be noticed. After stopping it asks for time instead.
func (m *serviceManager) run(ctx context.Context, stopping <-chan struct{}, status func() *cluster.NodeStatus) {
	told, fed := "", time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-stopping:
			m.stop(ctx)
			return
		case <-m.rounds:
		}
		var words []string
		if told == "" {
			words = append(words, daemon.SdNotifyReady)
		}
		if text := statusLine(status()); text != told {
			words = append(words, "STATUS="+text)
			told = text
		}
		if m.alive > 0 && time.Since(fed) > m.alive/10 { // rounds can be many in a second
			words = append(words, daemon.SdNotifyWatchdog)
			fed = time.Now()
		}
		if len(words) > 0 {
			m.say(strings.Join(words, "\n"))
		}
	}
}

// stop asks for time while PostgreSQL is being stopped, which may take as long
// as its checkpoint. No rounds are made then, and the watchdog, should it still
// run, is told so.
func (m *serviceManager) stop(ctx context.Context) {
	m.say(daemon.SdNotifyStopping + "\nSTATUS=stopping PostgreSQL")
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	for end := time.Now().Add(stopLimit); time.Now().Before(end); {
		m.say(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\n%s", extendBy.Microseconds(), daemon.SdNotifyWatchdog))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// statusLine is one line for "systemctl status".
func statusLine(s *cluster.NodeStatus) string {
	line := fmt.Sprintf("%s, PostgreSQL %s", s.Role, s.Instance.State)
	if s.Instance.Timeline != 0 {
		line += fmt.Sprintf(", timeline %d", s.Instance.Timeline)
	}
	if s.Job != "" {
		line += ", " + s.Job
	}
	if s.Settings.Pause {
		line += ", paused"
	}
	return line
}
