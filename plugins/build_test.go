package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/plugins/proto"
	"github.com/pgregent/pgregent/plugins/script"
)

func TestBuild(t *testing.T) {
	for _, kind := range []buildKind{replicaKind, bootstrapKind} {
		l, _ := newLauncher(t)
		p, err := l.launch(t.Context(), self(t, "well"))
		if err != nil {
			t.Fatal(err)
		}
		defer p.kill()
		plan, err := p.plan(t.Context(), kind, &proto.BuildRequest{Id: "1"})
		if err != nil || plan.BytesTotal != 100 {
			t.Errorf("plan: got %v, %v", plan, err)
		}
		var last *proto.Progress
		if _, err := p.build(t.Context(), kind, &proto.BuildRequest{Id: "1"}, func(p *proto.Progress) { last = p }); err != nil {
			t.Fatal(err)
		}
		if last.GetBytesDone() != 100 {
			t.Errorf("last progress: got %v", last)
		}
	}
}

func TestBuildFails(t *testing.T) {
	for habit, want := range map[string]string{
		"fails":   "no backup of main found",
		"panics":  "panic: a bug",
		"crashes": "the plugin's process ended in the middle of it",
	} {
		t.Run(habit, func(t *testing.T) {
			l, _ := newLauncher(t)
			p, err := l.launch(t.Context(), self(t, habit))
			if err != nil {
				t.Fatal(err)
			}
			defer p.kill()
			_, err = p.build(t.Context(), replicaKind, &proto.BuildRequest{Id: "1", Cluster: "main"}, func(*proto.Progress) {})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		})
	}
}

func TestCancelEndsTheBuild(t *testing.T) {
	why := errors.New("reinitialize was asked for")
	for habit, limit := range map[string]time.Duration{"hangs": 3 * time.Second, "ignores-cancel": cancelWait + 3*time.Second} {
		t.Run(habit, func(t *testing.T) {
			t.Parallel()
			l, _ := newLauncher(t)
			p, err := l.launch(t.Context(), self(t, habit))
			if err != nil {
				t.Fatal(err)
			}
			defer p.kill()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			began := time.Now()
			_, err = p.build(ctx, replicaKind, &proto.BuildRequest{Id: "1"}, func(*proto.Progress) { cancel(why) })
			if !errors.Is(err, why) {
				t.Errorf("got %v, want the cause", err)
			}
			if took := time.Since(began); took > limit {
				t.Errorf("took %v", took)
			}
			if p.exited() != (habit == "ignores-cancel") {
				t.Errorf("exited: got %v", p.exited())
			}
		})
	}
}

// child starts a plugin that has started a child, and returns the child's pid.
func child(t *testing.T, l *launcher) (p *process, pid int, done chan error) {
	t.Helper()
	marker := filepath.Join(t.TempDir(), "pid")
	s := self(t, "child")
	s.Settings = fmt.Appendf(nil, `{"marker": %q}`, marker)
	p, err := l.launch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() {
		_, err := p.build(context.WithoutCancel(t.Context()), replicaKind, &proto.BuildRequest{Id: "1"}, func(*proto.Progress) {})
		done <- err
	}()
	eventually(t, "the child", func() bool { _, err := os.Stat(marker); return err == nil })
	text, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !script.Alive(pid, 0) {
		t.Fatalf("child %q: %v", text, err)
	}
	return p, pid, done
}

func TestKillEndsWhatThePluginStarted(t *testing.T) {
	l, _ := newLauncher(t)
	p, pid, done := child(t, l)
	p.kill()
	if err := <-done; err == nil {
		t.Error("the build went well")
	}
	eventually(t, "the end of the child", func() bool { return !script.Alive(pid, 0) })
}

// The agent's end closes the pipe that is the plugin's standard input.
func TestThePluginDiesWithTheAgent(t *testing.T) {
	l, _ := newLauncher(t)
	p, pid, done := child(t, l)
	defer p.kill()
	p.runner.closePipes()
	if err := <-done; err == nil {
		t.Error("the build went well")
	}
	eventually(t, "the end of the plugin", p.exited)
	if p.died() && script.Alive(pid, 0) {
		script.KillTree(pid) // it was in a group of its own
		t.Log("the child of the plugin was left to its record")
	}
}

func TestLeftoversAreEndedAtTheStart(t *testing.T) {
	l, out := newLauncher(t)
	r := records{dir: t.TempDir(), log: l.log}
	l.note = r.note
	p, pid, done := child(t, l)
	defer p.kill()
	files, _ := filepath.Glob(filepath.Join(r.dir, "*.json"))
	if len(files) != 1 {
		t.Fatalf("records: got %v", files)
	}
	stale := filepath.Join(r.dir, "1.json")
	foreign := fmt.Appendf(nil, `{"plugin":"x","group":%d,"start":1,"boot_id":%q}`, os.Getpid(), bootID())
	for name, text := range map[string][]byte{stale: []byte("{"), filepath.Join(r.dir, "2.json"): foreign} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.endLeftovers(); err != nil {
		t.Fatal(err)
	}
	<-done
	eventually(t, "the end of the plugin", p.exited)
	eventually(t, "the end of the child", func() bool { return !script.Alive(pid, 0) })
	if files, _ := filepath.Glob(filepath.Join(r.dir, "*.json")); len(files) != 0 {
		t.Errorf("records left: %v", files)
	}
	if !strings.Contains(out.String(), "outlived the agent") {
		t.Error("it was not logged")
	}
}
