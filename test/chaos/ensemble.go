package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

const (
	// serverStart bounds the start of Java processes on a busy machine.
	serverStart = 60 * time.Second
	// wordLimit bounds one four letter word.
	wordLimit = 2 * time.Second
	classPath = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
)

// Ensemble is ZooKeeper in several servers, or in one.
type Ensemble struct {
	Servers []*Server
}

// Server is one server of an ensemble.
type Server struct {
	Name string
	t    testing.TB
	// hosts is where it runs, address and the ports its own.
	hosts                  lab.Hosts
	address                string
	client, quorum, choose int
	dir                    string
	cmd                    *exec.Cmd
	done                   chan struct{} // closed when the process has been reaped
}

// StartEnsemble starts size servers zk1, zk2, ... that end with the test, and
// waits until all of them serve.
func StartEnsemble(t testing.TB, hosts lab.Hosts, size int) *Ensemble {
	t.Helper()
	e := &Ensemble{}
	for i := range size {
		name := fmt.Sprintf("zk%d", i+1)
		e.Servers = append(e.Servers, &Server{
			Name: name, t: t, hosts: hosts, address: hosts.Address(name), dir: t.TempDir(),
			client: lab.FreePort(t), quorum: lab.FreePort(t), choose: lab.FreePort(t),
		})
	}
	for i, s := range e.Servers {
		if err := s.configure(i+1, e.Servers); err != nil {
			t.Fatalf("write configuration of %s: %v", s.Name, err)
		}
	}
	for _, s := range e.Servers {
		s.Start()
		t.Cleanup(s.Kill)
	}
	e.WaitServing()
	return e
}

// Addresses are host:port of all servers.
func (e *Ensemble) Addresses() []string {
	var all []string
	for _, s := range e.Servers {
		all = append(all, s.addr())
	}
	return all
}

// WaitServing waits until every server is part of a quorum.
func (e *Ensemble) WaitServing() {
	for _, s := range e.Servers {
		s.WaitServing()
	}
}

// Leader is the server that leads the ensemble, nil while there is none.
func (e *Ensemble) Leader() *Server {
	for _, s := range e.Servers {
		if answer, err := s.command("srvr"); err == nil && strings.Contains(answer, "Mode: leader") {
			return s
		}
	}
	return nil
}

// Kill ends all servers.
func (e *Ensemble) Kill() {
	for _, s := range e.Servers {
		s.Kill()
	}
}

// Start starts all servers again and waits until they serve.
func (e *Ensemble) Start() {
	for _, s := range e.Servers {
		s.Start()
	}
	e.WaitServing()
}

func (s *Server) configure(id int, all []*Server) error {
	conf := []string{
		"tickTime=2000", "initLimit=10", "syncLimit=5",
		"dataDir=" + filepath.Join(s.dir, "data"),
		"clientPort=" + strconv.Itoa(s.client),
		"clientPortAddress=" + s.address,
		"4lw.commands.whitelist=*",
		"admin.enableServer=false",
		"maxClientCnxns=0",
	}
	if len(all) > 1 {
		for i, other := range all {
			conf = append(conf, fmt.Sprintf("server.%d=%s:%d:%d", i+1, other.address, other.quorum, other.choose))
		}
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "data"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "data", "myid"), []byte(strconv.Itoa(id)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "zoo.cfg"), []byte(strings.Join(conf, "\n")+"\n"), 0o644)
}

// Start starts the process; the data are kept from the time before.
func (s *Server) Start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "zookeeper.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	cmd := exec.Command("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dzookeeper.forceSync=no", "-cp", s.dir+":"+classPath,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.dir, "zoo.cfg"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.hosts.Start(s.Name, cmd); err != nil {
		s.t.Fatalf("start %s: %v", s.Name, err)
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // killed as a rule
		close(done)
	}()
}

// Kill ends the process with SIGKILL and waits for its end.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // an error means that it has ended already
	<-s.done
}

// Pause stops the process with SIGSTOP: connections stay, nothing answers.
func (s *Server) Pause() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// WaitServing waits until the server is part of a quorum.
func (s *Server) WaitServing() {
	s.t.Helper()
	if err := s.waitServing(); err != nil {
		text, _ := os.ReadFile(filepath.Join(s.dir, "zookeeper.log"))
		s.t.Fatalf("%s: %v\n%s", s.Name, err, text[max(0, len(text)-4000):])
	}
}

func (s *Server) waitServing() error {
	limit := time.NewTimer(serverStart)
	defer limit.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if answer, err := s.command("srvr"); err == nil && strings.Contains(answer, "Mode:") {
			return nil
		}
		select {
		case <-poll.C:
		case <-s.done:
			return errors.New("ZooKeeper exited")
		case <-limit.C:
			return errors.New("ZooKeeper does not serve")
		}
	}
}

// command sends one of ZooKeeper's four letter words.
func (s *Server) command(word string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wordLimit)
	defer cancel()
	c, err := s.hosts.DialContext(ctx, "tcp", s.addr())
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(wordLimit)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", fmt.Errorf("send %s: %w", word, err)
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

func (s *Server) addr() string { return net.JoinHostPort(s.address, strconv.Itoa(s.client)) }
