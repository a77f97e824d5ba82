package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// The limits of a connection.
const (
	// headLimit bounds how long a client may take to send a request head,
	// bodyLimit how long for head and body.
	headLimit = 5 * time.Second
	bodyLimit = 10 * time.Second
	// writeLimit bounds an answer, from the end of the head, or from the end
	// of the work where that takes long. It leaves time for a read and a
	// write of the store.
	writeLimit = 30 * time.Second
	// idleLimit is longer than the usual interval of health checks.
	idleLimit = 75 * time.Second
	// maxHead is the size of a request head, in bytes.
	maxHead = 64 << 10
	// stopLimit is how long requests may go on after the end of Serve's
	// context.
	stopLimit = 3 * time.Second
)

// Options are what a Server needs.
type Options struct {
	Settings
	Backend Backend
	// Metrics answers GET /metrics; nil: no such endpoint.
	Metrics http.Handler
	// Records answer GET /failovers; nil: no such endpoint.
	Records *Records
	// Explain returns the effective settings; nil: no GET /explain.
	Explain func() []config.Setting
	// Observe is told of each request by its route; nil: nobody is.
	Observe func(route string, code int, took time.Duration)
	// Tracer makes spans of requests; nil: there are none.
	Tracer trace.TracerProvider
	Logger *slog.Logger
}

// Server is the REST API of one agent.
type Server struct {
	options   Options
	backend   Backend
	log       *slog.Logger
	engine    *gin.Engine
	endpoints []route
	policy    atomic.Pointer[policy]
	conns     conns
	events    *events
	document  atomic.Pointer[rendered]
	http      *http.Server

	mu       sync.Mutex // of what Apply changes
	listener net.Listener
	agent    *agentCheck // nil: none
	serving  context.Context
	ended    chan error // of the listeners' servers
}

// New returns a server that does not listen yet. Backend is required.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, backend: o.Backend, log: o.Logger, events: newEvents(), ended: make(chan error, 1)}
	s.policy.Store(&policy{Settings: o.Settings})
	s.engine = s.routes()
	s.http = &http.Server{
		Handler:                      s,
		ReadHeaderTimeout:            headLimit,
		ReadTimeout:                  bodyLimit,
		WriteTimeout:                 writeLimit,
		IdleTimeout:                  idleLimit,
		MaxHeaderBytes:               maxHead,
		DisableGeneralOptionsHandler: true,
		ConnContext:                  connContext,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s
}

// Listen reads the certificates and binds the address. The error names the
// setting and the port.
func (s *Server) Listen() error {
	p, err := newPolicy(context.Background(), s.options.Settings, s.log)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := bind("restapi.listen", p.Listen)
	if err != nil {
		return err
	}
	if p.AgentCheck.Listen != "" {
		if s.agent, err = newAgentCheck(s, p.AgentCheck); err != nil {
			_ = l.Close()
			return err
		}
	}
	s.listener = door{l, s}
	s.policy.Store(p)
	s.warn(p)
	return nil
}

func (s *Server) warn(p *policy) {
	for _, w := range p.Warnings() {
		s.log.Warn(w)
	}
}

// bind listens; setting is where the address comes from.
func bind(setting, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read %s %q: %w", setting, address, err)
	}
	if host == "*" {
		host = ""
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("bind %s %q: port %s is used by another program: %w", setting, address, port, err)
	case err != nil:
		return nil, fmt.Errorf("bind %s %q, port %s: %w", setting, address, port, err)
	}
	return l, nil
}

// Addr is the bound address, nil before Listen.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// AgentCheckAddr is the bound address of the agent-check, nil if there is
// none.
func (s *Server) AgentCheckAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agent == nil {
		return nil
	}
	return s.agent.Addr()
}

// Apply takes over new settings while the server runs; certificates are read
// again. What is wrong with them leaves the old ones in force.
func (s *Server) Apply(ctx context.Context, st Settings) error {
	p, err := newPolicy(ctx, st, s.log)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.policy.Load()
	next, agent := s.listener, s.agent
	if p.Listen != old.Listen {
		l, err := bind("restapi.listen", p.Listen)
		if err != nil {
			return err
		}
		next = door{l, s}
	}
	if p.AgentCheck != old.AgentCheck {
		if agent, err = s.replaceAgentCheck(p.AgentCheck); err != nil {
			if next != s.listener {
				_ = next.Close()
			}
			return err
		}
	}
	s.policy.Store(p)
	s.agent = agent
	if next != s.listener {
		s.log.Info("the REST API listens elsewhere", "address", next.Addr().String())
		former := s.listener
		s.listener = next
		if s.serving != nil {
			go s.run(next)
		}
		_ = former.Close()
	}
	if (p.tls == nil) != (old.tls == nil) || p.tls != nil && *p.TLS != *old.TLS {
		s.http.SetKeepAlivesEnabled(false) // ends what was opened under the old terms
		s.http.SetKeepAlivesEnabled(true)
	}
	s.warn(p)
	return nil
}

// replaceAgentCheck binds the new address before the old one is left, unless
// they are the same.
func (s *Server) replaceAgentCheck(o AgentCheck) (*agentCheck, error) {
	if s.agent != nil && s.agent.o.Listen == o.Listen {
		s.agent.close()
		s.agent = nil
	}
	var next *agentCheck
	if o.Listen != "" {
		var err error
		if next, err = newAgentCheck(s, o); err != nil {
			return nil, err
		}
		if s.serving != nil {
			go next.run(s.serving)
		}
	}
	if s.agent != nil {
		s.agent.close()
	}
	return next, nil
}

// run serves one listener until that is closed.
func (s *Server) run(l net.Listener) {
	err := s.http.Serve(l)
	s.mu.Lock()
	replaced := s.listener != l
	s.mu.Unlock()
	if !replaced {
		s.ended <- err
	}
}

// Serve answers requests until ctx ends, then lets those under way finish
// for a short time. It returns nil after that, and the reason if serving
// ended by itself. It is called once.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	if s.listener == nil {
		s.mu.Unlock()
		return errors.New("serve REST API: Listen was not called")
	}
	base := context.WithValue(ctx, serverKey{}, s)
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	s.serving = ctx
	go s.run(s.listener)
	if s.agent != nil {
		go s.agent.run(ctx)
	}
	s.mu.Unlock()
	go s.follow(ctx)
	select {
	case err := <-s.ended:
		return fmt.Errorf("serve REST API: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	s.mu.Lock()
	if s.agent != nil {
		s.agent.close()
	}
	s.mu.Unlock()
	err := s.http.Shutdown(stop)
	if err != nil {
		err = s.http.Close() // those still busy had their time
	}
	<-s.ended
	if err != nil {
		return fmt.Errorf("close REST API: %w", err)
	}
	return nil
}

// ServeHTTP routes by the first segment of the raw path: /patroni/x is
// /patroni, and nothing is percent-decoded.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := target(r)
	r.URL.Path, r.URL.RawPath = firstSegment(path), ""
	s.engine.ServeHTTP(w, r)
}

// target returns the raw path and query of a request, without fragment.
func target(r *http.Request) (path, query string) {
	path = r.RequestURI
	if scheme := strings.Index(path, "://"); scheme > 0 && path[0] != '/' { // an absolute URI
		path = path[scheme+3:]
		path = path[min(len(path), strings.IndexByte(path+"/", '/')):]
	}
	path, _, _ = strings.Cut(path, "#")
	path, query, _ = strings.Cut(path, "?")
	for strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	if path == "" {
		path = "/"
	}
	return path, query
}

func firstSegment(path string) string {
	if path[0] != '/' {
		return "/" + path
	}
	if end := strings.IndexByte(path[1:], '/'); end >= 0 {
		return path[:end+1]
	}
	return path
}

// status is never nil, so that the API answers before anything else is up.
func (s *Server) status() *cluster.NodeStatus {
	if st := s.backend.Status(); st != nil {
		return st
	}
	return &cluster.NodeStatus{}
}
