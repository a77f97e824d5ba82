package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/test/lab"
)

// walRoom is the room for more in the file system for pg_wal, in bytes: some
// segments.
const walRoom = 128 << 20

// fillDisk gives a standby a small file system for its log, has it lead, and
// fills that up until PostgreSQL ends. It returns when there is room again.
func (r *run) fillDisk(leader *lab.Node) {
	r.t.Helper()
	n := r.Standbys()[0]
	mount := r.smallWAL(n)
	r.order(leader, "/switchover", `{"leader": "`+leader.Name+`", "candidate": "`+n.Name+`"}`, 200)
	if now := r.WaitHealthy(60 * time.Second); now != n {
		r.t.Fatalf("%s leads, want %s", now.Name, n.Name)
	}
	filler := filepath.Join(mount, "filler")
	var fs syscall.Statfs_t
	if err := syscall.Statfs(mount, &fs); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, int64(fs.Bavail)*fs.Bsize-1<<20), 0o644); err != nil {
		r.t.Fatal(err)
	}
	pid := n.Postmaster()
	for n.Postmaster() == pid { // the room for recycled segments goes first
		if _, err := n.Query("INSERT INTO fill SELECT i FROM generate_series(1, 20000) i; SELECT pg_switch_wal()"); err != nil {
			break
		}
	}
	r.Wait(60*time.Second, "a note that the disk is full", func() string {
		var notes []record.Entry
		if why := r.get(n, "/failovers/local", &notes); why != "" {
			return why
		}
		if !slices.ContainsFunc(notes, func(e record.Entry) bool { return e.Cause == record.CauseDiskFull }) {
			return "there is none"
		}
		return ""
	})
	if err := os.Remove(filler); err != nil {
		r.t.Fatal(err)
	}
}

// smallWAL moves the log of a standby to a file system of its own.
func (r *run) smallWAL(n *lab.Node) (mount string) {
	r.t.Helper()
	r.Leader().MustExec("CREATE TABLE IF NOT EXISTS fill (i int)")
	n.Signal(syscall.SIGTERM)
	n.WaitExit(60 * time.Second)
	mount = filepath.Join(filepath.Dir(n.DataDir), n.Name+"-wal")
	wal := filepath.Join(n.DataDir, "pg_wal")
	if err := os.Mkdir(mount, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "mode=0700,size="+strconv.FormatInt(walRoom+bytesIn(r.t, wal), 10)); err != nil {
		r.t.Skipf("this host mounts no file system: %v", err)
	}
	r.t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	inside := filepath.Join(mount, "pg_wal")
	for _, step := range [][]string{{"cp", "-a", wal, inside}, {"chown", "--reference=" + wal, mount}, {"rm", "-rf", wal}, {"ln", "-s", inside, wal}, {"chown", "-h", "--reference=" + inside, wal}} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			r.t.Fatalf("%v: %v %s", step, err, out)
		}
	}
	n.Start()
	r.WaitHealthy(60 * time.Second)
	return mount
}

// bytesIn is the size of all files below dir.
func bytesIn(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, f os.FileInfo, err error) error {
		if err == nil {
			size += f.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
