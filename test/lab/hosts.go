package lab

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/lib/pq"
)

// Hosts places the nodes elsewhere than on this host's loopback.
type Hosts interface {
	// Address is the IP address of a node.
	Address(node string) string
	// Start starts a process on a node's host, as [exec.Cmd.Start] does here.
	Start(node string, cmd *exec.Cmd) error
	// DialContext connects as a client of the cluster, to any host.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// loopback is this host.
type loopback struct{ net.Dialer }

func (*loopback) Address(string) string               { return "127.0.0.1" }
func (*loopback) Start(_ string, cmd *exec.Cmd) error { return cmd.Start() }

// Loopback is this host, for servers that a test starts beside the lab's.
func Loopback() Hosts { return &loopback{} }

// hosts are the given ones, or this host.
func (l *Lab) hosts() Hosts {
	if l.elsewhere != nil {
		return l.elsewhere
	}
	return Loopback()
}

// client is for the REST API.
func (l *Lab) client() *http.Client {
	return &http.Client{
		Timeout:   60 * time.Second,
		Transport: &http.Transport{DialContext: l.hosts().DialContext, MaxIdleConnsPerHost: 4, TLSClientConfig: l.tls},
	}
}

// pqDialer lets the driver connect to the hosts.
type pqDialer struct{ hosts Hosts }

func (d pqDialer) Dial(network, address string) (net.Conn, error) {
	return d.hosts.DialContext(context.Background(), network, address)
}

func (d pqDialer) DialTimeout(network, address string, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return d.hosts.DialContext(ctx, network, address)
}

func (d pqDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.hosts.DialContext(ctx, network, address)
}

func (l *Lab) open(dsn string) (*sql.DB, error) {
	if l.elsewhere == nil {
		return sql.Open("postgres", dsn)
	}
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	connector.Dialer(pqDialer{l.elsewhere})
	return sql.OpenDB(connector), nil
}

// Open returns a pool of connections to this node, whatever its role, with
// further words of a connection string, which override ours.
func (n *Node) Open(more string) (*sql.DB, error) { return n.lab.open(n.DSN() + " " + more) }
