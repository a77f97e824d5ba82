package script

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// proc is a line of /proc/<pid>/stat.
type proc struct {
	pid, parent, group int
	state              string
	// Start is the start time in clock ticks since boot.
	start uint64
}

// terminate asks a process group to end.
func terminate(pgid int) { _ = unix.Kill(-pgid, unix.SIGTERM) } // gone is fine

// killRounds bounds the hunt for processes that fork while they are listed:
// each round stops those that it finds.
const killRounds = 20

// KillTree kills a process group and all descendants of its processes. They
// are stopped first, so that none can fork away.
func KillTree(pgid int) {
	seen := map[int]bool{}
	for range killRounds {
		fresh := false
		for _, p := range tree(pgid) {
			if !seen[p.pid] {
				seen[p.pid], fresh = true, true
				_ = unix.Kill(p.pid, unix.SIGSTOP)
			}
		}
		if !fresh {
			break
		}
	}
	_ = unix.Kill(-pgid, unix.SIGKILL)
	for pid := range seen {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// tree lists the processes of a group and their descendants.
func tree(pgid int) []proc {
	all := processes()
	in := map[int]bool{}
	for _, p := range all {
		if p.group == pgid {
			in[p.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !in[p.pid] && in[p.parent] {
				in[p.pid], grown = true, true
			}
		}
	}
	var out []proc
	for _, p := range all {
		if in[p.pid] && p.state != "Z" {
			out = append(out, p)
		}
	}
	return out
}

// Group reports the start time of a group's leader, 0 if it is gone, and
// whether anything of the group lives.
func Group(pgid int) (leaderStart uint64, alive bool) {
	for _, p := range processes() {
		if p.group != pgid || p.state == "Z" {
			continue
		}
		alive = true
		if p.pid == pgid {
			leaderStart = p.start
		}
	}
	return leaderStart, alive
}

// Alive reports that a process of that start time lives.
func Alive(pid int, start uint64) bool {
	p, ok := readProc(pid)
	return ok && p.state != "Z" && (start == 0 || p.start == start)
}

// StartTime is when a process started, 0 if it is gone.
func StartTime(pid int) uint64 {
	p, _ := readProc(pid)
	return p.start
}

func processes() []proc {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []proc
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := readProc(pid); ok {
				out = append(out, p)
			}
		}
	}
	return out
}

// readProc reads /proc/<pid>/stat; see proc(5).
func readProc(pid int) (proc, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, false
	}
	end := strings.LastIndexByte(string(text), ')') // the name may hold anything
	if end < 0 {
		return proc{}, false
	}
	f := strings.Fields(string(text[end+1:]))
	if len(f) < 20 {
		return proc{}, false
	}
	parent, _ := strconv.Atoi(f[1])
	group, _ := strconv.Atoi(f[2])
	start, _ := strconv.ParseUint(f[19], 10, 64)
	return proc{pid: pid, parent: parent, group: group, state: f[0], start: start}, true
}
