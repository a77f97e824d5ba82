package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
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
	// Listen is host:port; an empty host or "*" means all addresses.
	Listen string
	// Username and Password protect the calls that change something; both
	// empty: no protection.
	Username string
	Password string
	Backend  Backend
	// Metrics answers GET /metrics; nil: no such endpoint.
	Metrics http.Handler
	Logger  *slog.Logger
}

// Server is the REST API of one agent.
type Server struct {
	options  Options
	backend  Backend
	log      *slog.Logger
	engine   *gin.Engine
	listener net.Listener
	document atomic.Pointer[rendered]
}

// New returns a server that does not listen yet. Backend is required.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, backend: o.Backend, log: o.Logger}
	s.engine = s.routes()
	return s
}

// Listen binds the address. The error names the setting and the port.
func (s *Server) Listen() error {
	host, port, err := net.SplitHostPort(s.options.Listen)
	if err != nil {
		return fmt.Errorf("read restapi.listen %q: %w", s.options.Listen, err)
	}
	if host == "*" {
		host = ""
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("bind restapi.listen %q: port %s is used by another program: %w", s.options.Listen, port, err)
	case err != nil:
		return fmt.Errorf("bind restapi.listen %q, port %s: %w", s.options.Listen, port, err)
	}
	s.listener = mendingListener{l}
	return nil
}

// Addr is the bound address, nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Serve answers requests until ctx ends, then lets those under way finish
// for a short time. It returns nil after that, and the reason if serving
// ended by itself.
func (s *Server) Serve(ctx context.Context) error {
	if s.listener == nil {
		return errors.New("serve REST API: Listen was not called")
	}
	srv := &http.Server{
		Handler:                      s,
		ReadHeaderTimeout:            headLimit,
		ReadTimeout:                  bodyLimit,
		WriteTimeout:                 writeLimit,
		IdleTimeout:                  idleLimit,
		MaxHeaderBytes:               maxHead,
		DisableGeneralOptionsHandler: true,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve REST API: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		err = srv.Close() // those still busy had their time
	}
	<-ended
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
