package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestPingNoticesAServerThatHangs(t *testing.T) {
	s := startPrimary(t, "a")
	p := s.NewPinger()
	defer p.Close()
	if !p.Ping(t.Context()) {
		t.Fatal("a running server does not answer")
	}
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == s.resolvedDir() {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			pids = append(pids, pid)
		}
	}
	if len(pids) < 2 {
		t.Fatalf("found %d processes of the server", len(pids))
	}
	signal := func(sig syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, sig)
		}
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	from := time.Now()
	if p.Ping(t.Context()) {
		t.Error("a server that is stopped answers")
	}
	if took := time.Since(from); took > pingLimit+time.Second {
		t.Errorf("noticed after %v, want %v", took, pingLimit)
	}
	signal(syscall.SIGCONT)
	for range 5 {
		if p.Ping(t.Context()) {
			return
		}
	}
	t.Error("the server does not answer again")
}
