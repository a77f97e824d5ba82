package rest

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/rest/health"
)

// AgentCheck is a listener for HAProxy's agent-check.
type AgentCheck struct {
	// Listen is host:port; "": there is none.
	Listen string
	// Check is the path of the health check that decides. HAProxy can name
	// another one by agent-send.
	Check string
	// MaxLag is the lag in bytes at which the weight is 1 %; 0:
	// maximum_lag_on_failover.
	MaxLag int64
}

const (
	// sendWait is how long the line of agent-send is waited for; it comes
	// with the connection.
	sendWait = 100 * time.Millisecond
	// agentLimit bounds one check.
	agentLimit = 2 * time.Second
	// maxChecks bounds the checks at once.
	maxChecks = 256
	// readyFor is how long "ready" is said after the last "drain", so that
	// every HAProxy hears it. It is not said always: it would also undo a
	// drain that an operator has asked HAProxy for.
	readyFor = time.Minute
)

// agentCheck answers each connection with one line and closes it.
type agentCheck struct {
	net.Listener
	o    AgentCheck
	s    *Server
	busy chan struct{}
	// drained is when "drain" was last said, or this began.
	drained atomic.Int64
	closing sync.Once
}

func newAgentCheck(s *Server, o AgentCheck) (*agentCheck, error) {
	l, err := bind("restapi.agent_check.listen", o.Listen)
	if err != nil {
		return nil, err
	}
	a := &agentCheck{Listener: l, o: o, s: s, busy: make(chan struct{}, maxChecks)}
	a.drained.Store(int64(lease.Now()))
	return a, nil
}

func (a *agentCheck) close() { a.closing.Do(func() { _ = a.Listener.Close() }) }

// run answers until it is closed, or ctx ends.
func (a *agentCheck) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, a.close)
	defer stop()
	for {
		conn, err := a.Accept()
		if err != nil {
			return // closed
		}
		select {
		case a.busy <- struct{}{}:
			go func() {
				defer func() { <-a.busy }()
				a.answer(conn)
			}()
		default:
			_ = conn.Close()
		}
	}
}

// answer says one line. An error is the other side's and ends it.
func (a *agentCheck) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(sendWait))
	_ = conn.SetWriteDeadline(time.Now().Add(agentLimit))
	check := a.o.Check
	line, _ := bufio.NewReaderSize(conn, 256).ReadString('\n')
	if word := strings.TrimSpace(line); word != "" {
		check = "/" + strings.TrimPrefix(word, "/")
	}
	status, now := a.s.status(), lease.Now()
	text, drains := weigh(status, now, check, a.o.MaxLag)
	if drains {
		a.drained.Store(int64(now))
	} else if now.Sub(lease.Instant(a.drained.Load())) < readyFor && strings.HasPrefix(text, "up") {
		text = "up ready" + strings.TrimPrefix(text, "up")
	}
	_, _ = conn.Write([]byte(text + "\n"))
}

// weigh is the answer for a check: up with a weight, drain for a standby that
// does not want to be balanced to, or down with the reason.
func weigh(s *cluster.NodeStatus, now lease.Instant, check string, maxLag int64) (text string, drains bool) {
	path, query, _ := strings.Cut(check, "?")
	code, reason := health.Explain(s, now, path, query)
	switch {
	case code == http.StatusOK:
		return "up " + strconv.Itoa(weight(health.Lag(s), maxLag, int64(s.Settings.MaximumLagOnFailover))) + "%", false
	case s.Tags.NoLoadBalance():
		bare := *s
		bare.Tags = cluster.Tags{}
		if health.Check(&bare, now, path, query) == http.StatusOK {
			return "drain", true
		}
	}
	return "down#" + reason, false
}

// weight falls from 100 without lag to 1 at the limit.
func weight(lag, limit, fallback int64) int {
	if limit <= 0 {
		limit = max(fallback, 1)
	}
	if lag >= limit {
		return 1
	}
	return 100 - int(99*max(lag, 0)/limit)
}
