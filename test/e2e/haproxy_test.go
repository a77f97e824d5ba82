package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// proxies is one HAProxy with two ways to the primary: by its checks alone,
// and by its checks and the plugin.
type proxies struct {
	socket         string
	checked, ruled int // ports
}

// conf is plain httpchk with the intervals that many sites have. Without
// "retries 0" HAProxy itself waits a second before it tries a refused server
// again, and no news about servers ends that wait.
func (p proxies) conf(l *lab.Lab) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global\n  stats socket %s mode 666 level admin\n  maxconn 200\ndefaults\n  mode tcp\n  retries 0\n  timeout connect 1s\n  timeout queue 10s\n  timeout client 1m\n  timeout server 1m\n  timeout check 2s\n", p.socket)
	for name, port := range map[string]int{"checked": p.checked, "ruled": p.ruled} {
		fmt.Fprintf(&b, "listen %s\n  bind 127.0.0.1:%d\n  option httpchk\n  default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions\n", name, port)
		for _, n := range l.Nodes {
			fmt.Fprintf(&b, "  server %s 127.0.0.1:%d check port %d\n", n.Name, n.SQLPort, n.RESTPort)
		}
	}
	return b.String()
}

func (p proxies) start(t *testing.T, l *lab.Lab) {
	t.Helper()
	file := filepath.Join(filepath.Dir(p.socket), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(p.conf(l)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	l.Wait(10*time.Second, "HAProxy", func() string {
		conn, err := net.Dial("unix", p.socket)
		if err != nil {
			return err.Error()
		}
		return errorText(conn.Close())
	})
}

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// The write gap through HAProxy at a switchover and at a crash of the primary's
// postmaster: with checks alone, and with the plugin, beside a client that
// knows all members, in one run.
func TestRouterPluginClosesTheGap(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("haproxy is not installed; make test installs it")
	}
	dir, err := os.MkdirTemp("", "hap") // short: a socket path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := proxies{socket: filepath.Join(dir, "s"), checked: lab.FreePort(t), ruled: lab.FreePort(t)}
	l := lab.New(t, lab.Options{Lazy: true, DCS: lab.DefaultDCS + "primary_start_timeout: 0\n", Node: func(string) string {
		return fmt.Sprintf("plugins:\n  haproxy:\n    settings: {sockets: [%s], backend: ruled}\n", p.socket)
	}})
	p.start(t, l)
	for _, n := range l.Nodes {
		n.Start()
	}
	l.WaitHealthy(60 * time.Second)
	l.CreateTable()
	writers := []*lab.Writer{l.NewWriter(1), l.NewWriterAt(p.ruled, 1_000_000_000), l.NewWriterAt(p.checked, 2_000_000_000)}
	for _, fault := range []string{"switchover", "crash"} {
		for _, w := range writers {
			w.AwaitMore(50, 60*time.Second)
		}
		l.Wait(60*time.Second, "a settled cluster", l.Unhealthy)
		leader, from := l.Leader(), time.Now()
		if fault == "switchover" {
			post(t, leader, "/switchover", fmt.Sprintf(`{"leader": %q}`, leader.Name), 200)
		} else if err := syscall.Kill(leader.Postmaster(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for _, w := range writers {
			w.AwaitMore(50, 60*time.Second)
		}
		direct, ruled, checked := writers[0].Gap(from), writers[1].Gap(from), writers[2].Gap(from)
		t.Logf("%s: direct client %v, plugin %v, checks alone %v", fault, direct.Round(time.Millisecond), ruled.Round(time.Millisecond), checked.Round(time.Millisecond))
		if over := ruled - direct; over > 300*time.Millisecond {
			t.Errorf("%s: the gap with the plugin is %v longer than a direct client's, want 300 ms at most", fault, over)
		}
		if checked < ruled {
			t.Errorf("%s: checks alone took %v, the plugin %v: it is of no use", fault, checked, ruled)
		}
	}
}
