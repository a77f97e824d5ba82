package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

func TestARequiredWatchdogMustBeArmed(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "pgregent-watchdog-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	device := filepath.Join(dir, "watchdog")
	l := lab.New(t, lab.Options{Nodes: 2, DCS: fast, Node: func(name string) string {
		if name == "pg1" {
			return "watchdog: {mode: 'off'}\n"
		}
		return "watchdog: {mode: required, driver: testing, safety_margin: -1, device: " + device + "}\n"
	}})
	first, second := l.Nodes[0], l.Nodes[1]
	if l.Leader() != first {
		t.Fatal("the node without its watchdog leads")
	}
	if o, err := second.GetJSON("/patroni"); err != nil || o.Get("watchdog_failed") != true {
		t.Errorf("got %v (%v), want watchdog_failed", o, err)
	}
	first.KillAll()
	l.Wait(20*time.Second, "the free lock to be left alone", func() string {
		o, err := second.GetJSON("/patroni")
		if err != nil || o.Object("pgregent").Get("rule") != "watchdog-missing" {
			return fmt.Sprint(o, err)
		}
		return ""
	})

	if err := syscall.Mkfifo(device, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(device, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if err := os.Chmod(device, 0o666); err != nil {
		t.Fatal(err)
	}
	l.WaitHealthy(20 * time.Second)
	written, err := os.ReadFile(second.Config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(mode, message string) {
		t.Helper()
		seen := strings.Count(second.Log(), message)
		text := strings.Replace(string(written), "mode: required", "mode: "+mode, 1)
		if err := os.WriteFile(second.Config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		second.Signal(syscall.SIGHUP)
		l.Wait(20*time.Second, message, func() string {
			if strings.Count(second.Log(), message) == seen {
				return "not told"
			}
			return ""
		})
	}
	l.Wait(20*time.Second, "the watchdog to be armed", func() string {
		if !strings.Contains(second.Log(), "watchdog is active") {
			return "it is not"
		}
		return ""
	})
	reload("'off'", "watchdog is stopped")
	reload("automatic", "watchdog is active")
	reload("required", "configuration reloaded")
	if l.Leader() != second {
		t.Error("the node with its watchdog gave up the lock")
	}
	second.Signal(syscall.SIGTERM)
	second.WaitExit(20 * time.Second)
	heard := make([]byte, 1<<16)
	n, err := reader.Read(heard)
	if text := string(heard[:n]); err != nil || !strings.HasPrefix(text, "Ctimeout=2\n1") || !strings.HasSuffix(text, "1V") || !strings.Contains(text, "1VCtimeout=2\n1") {
		t.Errorf("the watchdog heard %q (%v), want its timeout, keepalives and the stop", text, err)
	}
}
