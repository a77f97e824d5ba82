package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/plugins/script"
)

// runner runs a plugin's process for go-plugin: in a process group of its own,
// with its output filtered, and with a standard input that ends when the agent
// does.
type runner struct {
	spec   Spec
	cmd    *exec.Cmd
	stderr *stderrFilter
	// note is told the process group when it starts and ends; may be nil.
	note func(pgid int, alive bool)

	outR, errR *io.PipeReader
	pipes      []*os.File // this process's ends
	once       sync.Once
	waited     chan struct{}
	waitErr    error
}

// newRunner makes a runner from the command that go-plugin has prepared, of
// which only the environment is used.
func newRunner(s Spec, env []string, note func(int, bool)) *runner {
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &runner{spec: s, cmd: cmd, stderr: &stderrFilter{}, note: note, waited: make(chan struct{})}
}

// Start implements runner.Runner.
func (r *runner) Start(context.Context) error {
	inR, inW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start plugin: %w", err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start plugin: %w", errors.Join(err, inR.Close(), inW.Close()))
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start plugin: %w", errors.Join(err, inR.Close(), inW.Close(), outR.Close(), outW.Close()))
	}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = inR, outW, errW
	r.pipes = []*os.File{inW, outR, errR}
	err = r.cmd.Start()
	for _, f := range []*os.File{inR, outW, errW} {
		_ = f.Close() // the plugin's ends
	}
	if err != nil {
		r.closePipes()
		return fmt.Errorf("start plugin: %w", err)
	}
	if r.note != nil {
		r.note(r.cmd.Process.Pid, true)
	}
	r.limit()
	var outW2, errW2 *io.PipeWriter
	r.outR, outW2 = io.Pipe()
	r.errR, errW2 = io.Pipe()
	go firstLine(outR, outW2)
	go r.stderr.run(errR, errW2)
	go func() {
		r.waitErr = r.cmd.Wait()
		close(r.waited)
	}()
	return nil
}

// limit applies the resource limits; what it starts inherits them.
func (r *runner) limit() {
	pid, l := r.cmd.Process.Pid, r.spec.Limits
	if l.Nice != 0 {
		_ = unix.Setpriority(unix.PRIO_PGRP, pid, l.Nice) // lowering the priority cannot fail for our own child
	}
	if class := ioClasses[l.IOClass]; class != 0 {
		const pgrp, classShift = 2, 13
		_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, pgrp, uintptr(pid), uintptr(class<<classShift|l.IOLevel)) // a wish
	}
	if l.Memory != 0 {
		_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: l.Memory, Max: l.Memory}, nil) // lowering is always allowed
	}
}

// ioClasses are the kernel's numbers.
var ioClasses = map[string]int{"best-effort": 2, "idle": 3}

func (r *runner) closePipes() {
	r.once.Do(func() {
		for _, f := range r.pipes {
			_ = f.Close()
		}
	})
}

// Wait implements runner.Runner.
func (r *runner) Wait(context.Context) error {
	<-r.waited
	return r.waitErr
}

// Kill implements runner.Runner. It kills the whole group and what descends
// from it, and waits for its end. What hides from that keeps no pipe of ours
// open.
func (r *runner) Kill(context.Context) error {
	if r.cmd.Process == nil {
		return nil
	}
	pid := r.cmd.Process.Pid
	script.KillTree(pid)
	<-r.waited
	r.closePipes()
	if r.note != nil {
		r.note(pid, false)
	}
	return nil
}

// Stdout implements runner.Runner.
func (r *runner) Stdout() io.ReadCloser { return r.outR }

// Stderr implements runner.Runner.
func (r *runner) Stderr() io.ReadCloser { return r.errR }

// Name implements runner.Runner.
func (r *runner) Name() string { return r.spec.Name }

// ID implements runner.Runner.
func (r *runner) ID() string {
	if r.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(r.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (r *runner) Diagnose(context.Context) string {
	if said := r.stderr.said(); said != "" {
		return "it wrote: " + said
	}
	return ""
}

// PluginToHost implements runner.Runner.
func (r *runner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (r *runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
