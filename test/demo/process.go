package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one that was started. Started tells it from a later one with
// the same number: it is the start time in clock ticks since boot.
type process struct {
	Pid     int    `json:"pid"`
	Started string `json:"started"`
}

// startTime returns field 22 of /proc/PID/stat, "" if there is no such
// process, or only what is left of one until it is waited for.
func startTime(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The second field, the name in parentheses, may hold anything.
	_, rest, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	const state, started = 0, 19
	if !ok || len(fields) <= started || fields[state] == "Z" || fields[state] == "X" {
		return ""
	}
	return fields[started]
}

func (p process) alive() bool { return p.Pid > 0 && p.Started != "" && startTime(p.Pid) == p.Started }

func (p process) signal(s syscall.Signal) {
	if p.alive() {
		_ = syscall.Kill(p.Pid, s) // an error means that it has just ended
	}
}

// waitGone waits until the process has ended and reports whether it has.
func (p process) waitGone(limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for p.alive() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// account is the user that everything runs as.
type account struct {
	name     string
	uid, gid int
	drop     bool // this process is root and children change to the account
}

// runAs is the user of this process, or postgres if that is root.
func runAs() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("parse user id: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("parse group id: %w", err)
	}
	return account{name: "postgres", uid: uid, gid: gid, drop: true}, nil
}

// checkAccess tells which directory on the way to path the account cannot
// enter, if any.
func (a account) checkAccess(path string) error {
	if !a.drop {
		return nil
	}
	for dir := path; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("check access: %w", err)
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("the user %s cannot enter %s: move the repository, or run this as another user than root", a.name, dir)
		}
	}
	return nil
}

// mkdir makes a directory that belongs to the account.
func (a account) mkdir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return a.own(path)
}

func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("change owner: %w", err)
	}
	return nil
}

// command is a program to be left running.
type command struct {
	name string // of the log file
	dir  string // working directory and HOME
	env  []string
	args []string
}

// start starts it in its own session, with its output in .demo/log.
func (d *demo) start(c command) (process, error) {
	log, err := os.OpenFile(d.logFile(c.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return process{}, fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the child has its own descriptor
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LANG=C.UTF-8"}, c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if d.account.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(d.account.uid), Gid: uint32(d.account.gid)}
	}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := process{Pid: cmd.Process.Pid, Started: startTime(cmd.Process.Pid)}
	if err := cmd.Process.Release(); err != nil {
		return p, fmt.Errorf("release %s: %w", c.name, err)
	}
	return p, nil
}

func (d *demo) logFile(name string) string { return filepath.Join(d.dir, "log", name+".log") }
