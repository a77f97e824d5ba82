package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// debian is a Debian 12 with systemd, PostgreSQL and ZooKeeper, which no test
// changes.
func debian(t *testing.T) string {
	t.Helper()
	base, err := keep()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(base, "debian")
	if _, err := os.Stat(filepath.Join(root, "complete")); err == nil {
		return root
	}
	run(t, nil, "debootstrap", "--variant=minbase",
		"--include=systemd,systemd-sysv,dbus,postgresql-15,procps,default-jre-headless,zookeeper,libslf4j-java", "bookworm", root)
	if err := os.WriteFile(filepath.Join(root, "complete"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// machine is a running systemd in namespaces of its own.
type machine struct {
	t   *testing.T
	pid int // of its first process, here
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	full(t)
	if os.Geteuid() != 0 {
		t.Fatal("a machine of its own needs root")
	}
	base, place := debian(t), t.TempDir()
	group, err := os.MkdirTemp(unified(t), "pgregent-packages-")
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("machine.sh")
	if err != nil {
		t.Fatal(err)
	}
	enter := `echo $$ >"$1/cgroup.procs"; shift; exec unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child "$@"`
	cmd := exec.Command("sh", "-c", enter, "sh", group, script, base, place)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // takes all namespaces along
		<-ended
		for range 100 {
			if removeGroups(group) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // until the kernel has reaped its processes
		}
	})
	m := &machine{t: t}
	m.wait(30*time.Second, "the first process", func() string {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		m.pid, _ = strconv.Atoi(strings.TrimSpace(string(children)))
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.pid)); strings.TrimSpace(string(name)) != "systemd" {
			return fmt.Sprintf("it is %q: %s", name, out.String())
		}
		return ""
	})
	m.wait(60*time.Second, "systemd", func() string {
		state, _ := m.try("systemctl is-system-running")
		if state = strings.TrimSpace(state); state == "running" || state == "degraded" {
			return ""
		}
		return state
	})
	m.sh("systemctl disable --now postgresql")
	return m
}

// unified is where the second version of control groups is mounted.
func unified(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(run(t, nil, "cat", "/proc/self/mounts")) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			return f[1]
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return ""
}

// removeGroups removes a tree of control groups, leaves first.
func removeGroups(dir string) error {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			_ = removeGroups(filepath.Join(dir, e.Name())) // the parent's error tells
		}
	}
	return os.Remove(dir)
}

// sh runs shell commands in the machine, as root.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	if err != nil {
		m.t.Fatalf("in the machine: %s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(out)
}

func (m *machine) try(script string) (string, error) {
	return try(nil, "nsenter", "--target", strconv.Itoa(m.pid), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "sh", "-euc", script)
}

// put copies a file into the machine.
func (m *machine) put(from, to string) {
	m.t.Helper()
	run(m.t, nil, "cp", from, fmt.Sprintf("/proc/%d/root%s", m.pid, to))
}

// write makes a file in the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/root%s", m.pid, path), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// wait returns when missing has nothing more to say.
func (m *machine) wait(limit time.Duration, what string, missing func() string) {
	m.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(end) {
			m.t.Fatalf("%s: not after %v: %s", what, limit, why)
		}
	}
}
