package zktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Config says how to start a server.
type Config struct {
	// Dir is where configuration, data and log go; it must exist.
	Dir string
	// TickTime is the unit of session timeouts, 500 ms by default: timeouts
	// are then granted between 1 and 10 s.
	TickTime time.Duration
	// Port is on 127.0.0.1; 0 means a free one.
	Port int
	// TLS makes the server listen on a second port, see SecureAddr.
	TLS *TLS
	// Lines are added to the configuration file.
	Lines []string
}

// TLS are the PEM files of a server that encrypts: its certificate, its key
// (PKCS #8), and the authorities of clients.
type TLS struct {
	CertFile, KeyFile, CAFile string
	// AskClients demands a certificate of every client.
	AskClients bool
}

// Server is one running ZooKeeper.
type Server struct {
	cfg  Config
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has been reaped
	// mark keeps the port for this server while it is down; nil if the caller
	// chose the port.
	mark net.PacketConn
	// secure is the second port, 0 if there is none.
	secure     int
	secureMark net.PacketConn
}

// startLimit bounds the start of the Java process on a busy machine.
const startLimit = 60 * time.Second

// netty is what TLS needs besides, which the manifest of zookeeper.jar lacks.
const (
	classPath = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
	netty     = ":/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar"
)

// Option changes the configuration of Start.
type Option func(*Config)

// WithTick sets tickTime.
func WithTick(d time.Duration) Option { return func(c *Config) { c.TickTime = d } }

// WithTLS adds a port that speaks TLS.
func WithTLS(t TLS) Option { return func(c *Config) { c.TLS = &t } }

// WithLines adds lines to the configuration file, as in key=value.
func WithLines(lines ...string) Option { return func(c *Config) { c.Lines = lines } }

// Start starts a server that ends with the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	cfg := Config{Dir: t.TempDir()}
	for _, o := range opts {
		o(&cfg)
	}
	s, err := Launch(t.Context(), cfg)
	if err != nil {
		t.Fatalf("start ZooKeeper: %v", err)
	}
	t.Cleanup(func() {
		s.Kill()
		s.release()
	})
	return s
}

// Launch starts a server and waits until it serves. ctx bounds the start
// only.
func Launch(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.TickTime == 0 {
		cfg.TickTime = 500 * time.Millisecond
	}
	s := &Server{cfg: cfg}
	if cfg.Port == 0 {
		var err error
		if s.cfg.Port, s.mark, err = reserve(); err != nil {
			return nil, err
		}
	}
	var err error
	if cfg.TLS != nil {
		if s.secure, s.secureMark, err = reserve(); err != nil {
			s.release()
			return nil, err
		}
	}
	if err = s.configure(); err != nil {
		err = fmt.Errorf("write configuration: %w", err)
	} else {
		err = s.start(ctx)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// reserve finds a port from below the range that the kernel gives to outgoing
// connections, one of which could take it while the server is down. The UDP
// port of that number, mark, keeps it from others who ask.
func reserve() (port int, mark net.PacketConn, err error) {
	for range 100 {
		port = 10000 + rand.IntN(2500)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if mark, err = net.ListenPacket("udp", address); err != nil {
			continue
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			_ = mark.Close()
			continue
		}
		_ = ln.Close()
		return port, mark, nil
	}
	return 0, nil, errors.New("find free port: all are taken")
}

func (s *Server) release() {
	for _, mark := range []net.PacketConn{s.mark, s.secureMark} {
		if mark != nil {
			_ = mark.Close()
		}
	}
}

func (s *Server) configure() error {
	conf := []string{
		"tickTime=" + strconv.FormatInt(s.cfg.TickTime.Milliseconds(), 10),
		"dataDir=" + filepath.Join(s.cfg.Dir, "data"),
		"clientPort=" + strconv.Itoa(s.cfg.Port),
		"clientPortAddress=127.0.0.1",
		"4lw.commands.whitelist=*",
		"admin.enableServer=false",
		"maxClientCnxns=0",
	}
	conf = append(conf, s.cfg.Lines...)
	if err := os.MkdirAll(filepath.Join(s.cfg.Dir, "data"), 0o755); err != nil {
		return err
	}
	if s.cfg.TLS != nil {
		more, err := s.secureConf(*s.cfg.TLS)
		if err != nil {
			return err
		}
		conf = append(conf, more...)
	}
	return os.WriteFile(s.configFile(), []byte(strings.Join(conf, "\n")+"\n"), 0o644)
}

// secureConf adds the second port. The key store is one file with key and
// certificate.
func (s *Server) secureConf(t TLS) ([]string, error) {
	var both []byte
	for _, name := range []string{t.KeyFile, t.CertFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		both = append(both, text...)
	}
	store, asks := filepath.Join(s.cfg.Dir, "server.pem"), "none"
	if t.AskClients {
		asks = "need"
	}
	return []string{
		"secureClientPort=" + strconv.Itoa(s.secure),
		"secureClientPortAddress=127.0.0.1",
		"serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
		"ssl.keyStore.location=" + store, "ssl.keyStore.type=PEM",
		"ssl.trustStore.location=" + t.CAFile, "ssl.trustStore.type=PEM",
		"ssl.clientAuth=" + asks,
	}, os.WriteFile(store, both, 0o600)
}

func (s *Server) configFile() string { return filepath.Join(s.cfg.Dir, "zoo.cfg") }

func (s *Server) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.cfg.Dir, "zookeeper.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the child has its own descriptor
	path := s.cfg.Dir + ":" + classPath
	if s.cfg.TLS != nil {
		path += netty
	}
	cmd := exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dzookeeper.forceSync=no", "-cp", path,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", s.configFile())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start java: %w", err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed as a rule
		close(s.done)
	}()
	if err := s.waitServing(ctx); err != nil {
		s.Kill()
		return err
	}
	return nil
}

func (s *Server) waitServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if answer, err := s.Command("srvr"); err == nil && strings.Contains(answer, "Mode:") {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.done:
			return errors.New("ZooKeeper exited, see " + filepath.Join(s.cfg.Dir, "zookeeper.log"))
		case <-ctx.Done():
			return fmt.Errorf("wait for ZooKeeper: %w", ctx.Err())
		}
	}
}

// Command sends one of ZooKeeper's four letter words.
func (s *Server) Command(word string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", fmt.Errorf("send %s: %w", word, err)
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port)) }

// SecureAddr is host:port of the port that speaks TLS.
func (s *Server) SecureAddr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.secure))
}

// Pid is the process id of the Java process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Pause stops the process with SIGSTOP: connections stay, nothing answers.
func (s *Server) Pause() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends the process with SIGKILL and waits for its end.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // an error means that it has ended already
	<-s.done
}

// Stop ends the process with SIGTERM, after ten seconds with SIGKILL.
func (s *Server) Stop() {
	s.Resume() // a stopped process would not see the signal
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		s.Kill()
	}
}

// Restart kills the process, if it still runs, and starts it again with the
// same port and data.
func (s *Server) Restart(ctx context.Context) error {
	s.Kill()
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return nil
}
