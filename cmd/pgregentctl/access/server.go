package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pgregent/pgregent/cmd/ensemble"
	"github.com/pgregent/pgregent/zkdcs"
)

// serverLimit bounds the question to one server of the ensemble.
const serverLimit = 2 * time.Second

// Server is what one server of the ensemble says of itself.
type Server struct {
	Host string
	// Mode is leader, follower, observer or standalone; "" if unknown.
	Mode    string
	Version string
	// Err says why it told nothing.
	Err error
}

// Servers asks all servers of the ensemble with ZooKeeper's command srvr, the
// only one that servers answer by default.
func (c *Config) Servers(ctx context.Context) []Server {
	list := make([]Server, len(c.ZooKeeper.Hosts))
	servers, err := ensemble.Access(c.ZooKeeper, nil)
	if err != nil {
		for i, host := range c.ZooKeeper.Hosts {
			list[i] = Server{Host: host, Err: err}
		}
		return list
	}
	done := make(chan int)
	for i, host := range c.ZooKeeper.Hosts {
		go func() {
			list[i] = askServer(ctx, servers, host)
			done <- i
		}()
	}
	for range list {
		<-done
	}
	return list
}

func askServer(ctx context.Context, a zkdcs.Access, host string) Server {
	s := Server{Host: host}
	ctx, cancel := context.WithTimeoutCause(ctx, serverLimit, errors.New("no answer"))
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		s.Err = err
		return s
	}
	defer func() { _ = conn.Close() }() // all that is needed was read
	if err := conn.SetDeadline(time.Now().Add(serverLimit)); err != nil {
		s.Err = err
		return s
	}
	if a.TLS != nil {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		conn = tls.Client(conn, a.TLS(name))
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		s.Err = err
		return s
	}
	text, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil {
		s.Err = err
		return s
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "Mode":
			s.Mode = value
		case "Zookeeper version":
			s.Version, _, _ = strings.Cut(value, "-")
		}
	}
	if s.Mode == "" {
		s.Err = fmt.Errorf("it answers %q", cutText(strings.TrimSpace(string(text)), 80))
	}
	return s
}

func cutText(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
