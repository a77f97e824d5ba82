package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// exitSetup is the exit status when the tests could not be run at all.
const exitSetup = 2

// Main runs the tests of a package, as root in a second process of the user
// postgres, and ends with their exit status. Temporary files are below one
// directory, which is removed in the end; server processes that still work
// in it are killed.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "pgt")
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		os.Exit(exitSetup)
	}
	code, err := run(m, dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = exitSetup
	}
	sweep(dir)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
	}
	os.Exit(code)
}

// fuzzing reports that this process feeds a fuzz target. Those need no server,
// and their workers talk over descriptors that a second process has not.
func fuzzing() bool {
	return slices.ContainsFunc(os.Args[1:], func(arg string) bool { return strings.HasPrefix(arg, "-test.fuzz=") || arg == "-test.fuzzworker" })
}

func run(m *testing.M, dir string) (int, error) {
	if os.Geteuid() != 0 || fuzzing() {
		if err := os.Setenv("TMPDIR", dir); err != nil {
			return 0, err
		}
		return m.Run(), nil
	}
	return runAs("postgres", dir)
}

// runAs runs a copy of this test program as another user in dir.
func runAs(name, dir string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL refuses root, and there is no user %s: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return 0, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return 0, err
	}
	program := filepath.Join(dir, "test")
	err = errors.Join(os.Chown(dir, uid, gid), os.Chmod(dir, 0o755), copyProgram(program))
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(program, childArgs(os.Args[1:])...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), nil // -1 after a signal
	}
	return 0, err
}

func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// childArgs drops the flags that name files of the go command, which the
// other user cannot write.
func childArgs(args []string) []string {
	var out []string
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch name {
		case "test.testlogfile", "test.coverprofile", "test.gocoverdir", "test.outputdir":
		default:
			out = append(out, a)
		}
	}
	return out
}

// sweep kills the processes that work below dir: servers that a test left
// running because it ended by a panic.
func sweep(dir string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if err == nil && strings.HasPrefix(cwd, dir+"/") {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone is fine
		}
	}
}
