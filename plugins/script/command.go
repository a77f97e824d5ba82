package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	shellquote "github.com/kballard/go-shellquote"
	"golang.org/x/sys/unix"
)

// Grace is how long a command may take to end after SIGTERM.
const Grace = 10 * time.Second

// Command is one command to run.
type Command struct {
	// Line is split into words as a POSIX shell does, without expansion; Args
	// are appended, each as one argument.
	Line string
	Args []string
	// Env is added to the environment.
	Env []string
	// DataDir decides on the umask: 0027 if it is readable by its group, else
	// 0077.
	DataDir string
	// Survives lets the command go on when this process dies.
	Survives bool
	// Grace is how long it may take after SIGTERM when it is cancelled; 0: it
	// is killed at once.
	Grace time.Duration
	// Stdout is where its standard output goes; nil: to this process's.
	Stdout *os.File
	// Started is called with the process group as soon as there is one, Ended
	// when nothing of it is left; both may be nil.
	Started, Ended func(pgid int)
}

// ErrStart wraps the reasons for which a command could not be started.
var ErrStart = errors.New("cannot be run")

// Run runs a command to its end. The error tells the exit status and what the
// command last wrote to standard error. When ctx ends, the command and its
// descendants are ended, and the error is ctx's cause.
func Run(ctx context.Context, c Command) error {
	argv, err := shellquote.Split(c.Line)
	if err == nil && len(argv) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return fmt.Errorf("%w: split the command line into words: %w", ErrStart, err)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	name := filepath.Base(argv[0])
	cmd := exec.Command(argv[0], append(argv[1:], c.Args...)...)
	cmd.Env = append(Environment(os.Environ()), c.Env...)
	cmd.Stdin, cmd.Stdout = os.Stdin, c.Stdout
	if c.Stdout == nil {
		cmd.Stdout = os.Stdout
	}
	said, err := newTail(os.Stderr)
	if err != nil {
		return fmt.Errorf("run %s: %w: %w", name, ErrStart, err)
	}
	cmd.Stderr = said.w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !c.Survives {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err = start(ctx, cmd, c, said); err != nil {
		if text := said.text(); text != "" && context.Cause(ctx) == nil {
			return fmt.Errorf("run %s: %w: %s", name, err, text)
		}
		return fmt.Errorf("run %s: %w", name, err)
	}
	return nil
}

// start runs cmd on a thread of its own, which has the umask and whose life
// the death signal is tied to.
func start(ctx context.Context, cmd *exec.Cmd, c Command, said *tail) error {
	started, exited := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the command
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			unix.Umask(umask(c.DataDir))
			err = cmd.Start()
		}
		said.started()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%w: %w", ErrStart, err)
	}
	pgid := cmd.Process.Pid
	if c.Started != nil {
		c.Started(pgid)
	}
	if c.Ended != nil {
		defer c.Ended(pgid)
	}
	select {
	case err := <-exited:
		return err
	case <-ctx.Done():
	}
	if c.Grace > 0 {
		terminate(pgid)
		select {
		case <-exited:
		case <-time.After(c.Grace):
		}
	}
	KillTree(pgid)
	<-exited // at the latest by SIGKILL
	return context.Cause(ctx)
}

// umask is what files of a command are made with.
func umask(dataDir string) int {
	if info, err := os.Stat(dataDir); dataDir != "" && err == nil && info.Mode().Perm()&0o050 == 0o050 {
		return 0o027
	}
	return 0o077
}

// Environment is environ without what configures the agent, passwords among
// it.
func Environment(environ []string) []string {
	out := make([]string, 0, len(environ))
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "PATRONI_"), strings.HasPrefix(name, "PGREGENT_"), strings.HasPrefix(name, "PLUGIN_"):
		case name == "NOTIFY_SOCKET": // whoever has it can speak for the agent
		default:
			out = append(out, kv)
		}
	}
	return out
}
