package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// probeLimit bounds the status query: each read and write on the socket, and
// the statement on the server.
const probeLimit = 2 * time.Second

// noLimit is the socket limit of statements that may take long.
const noLimit = 24 * time.Hour

// deadlineDialer makes connections whose every read and write ends after
// limit: a context does not bound lib/pq's wait for a hung server.
type deadlineDialer struct {
	limit time.Duration
	track bool // for hangUp

	mu    sync.Mutex
	conns []net.Conn
}

// Dial implements pq.Dialer.
func (d *deadlineDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialTimeout(network, address, d.limit)
}

// DialTimeout implements pq.Dialer.
func (d *deadlineDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext implements pq.DialerContext.
func (d *deadlineDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.track {
		d.mu.Lock()
		d.conns = append(d.conns, c)
		d.mu.Unlock()
	}
	return &deadlineConn{Conn: c, limit: d.limit}, nil
}

// hangUp closes what was opened, which ends all waits on it.
func (d *deadlineDialer) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close() // closed twice at worst
	}
}

type deadlineConn struct {
	net.Conn
	limit time.Duration
}

// Read ends after limit.
func (c *deadlineConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *deadlineConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func database(cfg config.Postgres) string {
	if cfg.Database != "" {
		return cfg.Database
	}
	return "postgres"
}

// dsn is lib/pq's connection string for credentials c at up, for the primary
// of several hosts.
// statementLimit 0 means none.
func dsn(dbname string, c config.Credentials, up cluster.Upstream, statementLimit time.Duration) string {
	host := up.Host
	sslmode := "prefer"
	if host != "" && host[0] == '/' {
		sslmode = "disable"
	} else if m, ok := c.SSL["sslmode"]; ok {
		sslmode = m
	}
	words := []word{
		{"dbname", dbname},
		{"host", host},
		{"port", up.Ports()},
		{"sslmode", sslmode},
		{"connect_timeout", "3"},
		{"application_name", "pgregent"},
		{"options", fmt.Sprintf("-c statement_timeout=%d -c search_path=pg_catalog", statementLimit.Milliseconds())},
	}
	if c.Username != "" {
		words = append(words, word{"user", c.Username})
	}
	if c.HasPassword {
		words = append(words, word{"password", c.Password})
	}
	if up.Several() {
		words = append(words, word{"target_session_attrs", "read-write"})
	}
	return conninfo(append(words, goWords(c)...))
}

// open makes a pool of at most conns connections; none is opened yet.
func open(dsn string, dialer *deadlineDialer, conns int) (*sql.DB, error) {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		// lib/pq's text may quote the connection string.
		return nil, errors.New("connect: the connection settings are not valid")
	}
	connector, err := connectorOf(cfg, dialer)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// connectorOf tells sslmode=prefer apart from lib/pq (1.12.3), which forgets
// the first connection of a fallback without closing it: the server would
// wait a minute for a word on it, and with it every shutdown of the server.
func connectorOf(cfg pq.Config, dialer *deadlineDialer) (driver.Connector, error) {
	modes := []pq.SSLMode{cfg.SSLMode}
	if cfg.SSLMode == pq.SSLModePrefer {
		modes = []pq.SSLMode{pq.SSLModeRequire, pq.SSLModeDisable}
	}
	var p preferTLS
	for _, mode := range modes {
		cfg.SSLMode = mode
		c, err := pq.NewConnectorConfig(cfg)
		if err != nil {
			return nil, errors.New("connect: the connection settings are not valid")
		}
		c.Dialer(dialer)
		p = append(p, c)
	}
	return p, nil
}

// preferTLS tries its connectors in order. Only the first answer of a server
// ends the attempts; that it has no TLS is none.
type preferTLS []*pq.Connector

// Connect implements driver.Connector.
func (p preferTLS) Connect(ctx context.Context) (driver.Conn, error) {
	var err error
	for _, c := range p {
		var conn driver.Conn
		if conn, err = c.Connect(ctx); err == nil {
			return conn, nil
		}
		if _, answered := errors.AsType[*pq.Error](err); answered || ctx.Err() != nil || isRefused(err) {
			return nil, err
		}
	}
	return nil, err
}

// Driver implements driver.Connector.
func (p preferTLS) Driver() driver.Driver { return p[0].Driver() }

// localAddress is where the running server is reached: as it listens now,
// which postmaster.pid tells, not as it will after a restart.
func (s *Server) localAddress() (host string, port int) {
	cfg := s.config()
	host, port = localHost(cfg.ListenAddresses), cfg.Port
	file, found, err := readPidFile(cfg.DataDir)
	if err != nil || !found || file.Port == 0 {
		return host, port
	}
	if cfg.UseUnixSocket && file.SocketDir != "" {
		host = file.SocketDir
	}
	return host, file.Port
}

// pool returns the pool for short queries to the local server.
func (s *Server) pool() (*sql.DB, error) {
	cfg := s.config()
	host, port := s.localAddress()
	want := dsn(database(cfg), cfg.Superuser, cluster.Upstream{Host: host, Port: port}, probeLimit)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != nil && s.probeDSN == want {
		return s.probe, nil
	}
	db, err := open(want, &deadlineDialer{limit: probeLimit}, 2)
	if err != nil {
		return nil, err
	}
	if s.probe != nil {
		_ = s.probe.Close() // of idle connections; nothing to lose
	}
	s.probe, s.probeDSN = db, want
	return db, nil
}

// closeConnections closes the pool for short queries.
func (s *Server) closeConnections() {
	s.mu.Lock()
	db := s.probe
	s.probe, s.probeDSN = nil, ""
	s.mu.Unlock()
	if db != nil {
		_ = db.Close() // of idle connections; nothing to lose
	}
}

// withLocal runs f on one own connection without statement time limit.
func (s *Server) withLocal(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	cfg := s.config()
	host, port := s.localAddress()
	return withConn(ctx, dsn(database(cfg), cfg.Superuser, cluster.Upstream{Host: host, Port: port}, 0), noLimit, f)
}

// withUpstream runs f on one connection to up, with a time limit per answer.
func (s *Server) withUpstream(ctx context.Context, up cluster.Upstream, f func(context.Context, *sql.Conn) error) error {
	cfg := s.config()
	const limit = 3 * time.Second
	return withConn(ctx, dsn(database(cfg), rewindUser(cfg), up, limit), limit, f)
}

// withConn opens one connection, runs f, closes it. When ctx ends, the
// connection is closed under f, so that it returns also from a hung server.
func withConn(ctx context.Context, dsn string, limit time.Duration, f func(context.Context, *sql.Conn) error) error {
	dialer := &deadlineDialer{limit: limit, track: true}
	db, err := open(dsn, dialer, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	stop := context.AfterFunc(ctx, dialer.hangUp)
	defer stop()
	conn, err := db.Conn(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("connect: %w", translate(err))
	}
	defer conn.Close()
	if err = f(ctx, conn); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return translate(err)
}

// rewindUser are the credentials for questions to another server.
func rewindUser(cfg config.Postgres) config.Credentials {
	if cfg.Rewind.Username != "" {
		return cfg.Rewind
	}
	return cfg.Superuser
}

// errStarting means that the server refuses connections for now: it starts,
// stops or recovers.
var errStarting = errors.New("not accepting connections")

// translate turns the errors of lib/pq into ones that do not depend on it.
func translate(err error) error {
	pe, ok := errors.AsType[*pq.Error](err)
	if !ok {
		return err
	}
	text := strings.ReplaceAll(err.Error(), pe.Error(), pe.Message)
	if pe.Code == "57P03" { // cannot_connect_now
		return fmt.Errorf("%w: %s", errStarting, text)
	}
	return &sqlError{code: string(pe.Code), text: text}
}

// sqlError is an error that the server reported.
type sqlError struct{ code, text string }

func (e *sqlError) Error() string { return e.text + " (SQLSTATE " + e.code + ")" }
