package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// disks is a cluster of two: the data of each node, and the log of the second
// one, are on small file systems of their own.
type disks struct {
	*lab.Lab
	t             *testing.T
	first, second *lab.Node
	wal           string   // of the second
	uid, gid      int      // of PostgreSQL
	theirs        []string // files of others
}

const smallLog = `  parameters: {min_wal_size: 32MB, max_wal_size: 64MB, wal_keep_size: 16MB}
primary_start_timeout: 2
`

// TestBrokenDisks breaks the disks and the data directory of real servers, one
// thing after another. Each time the node must say what is wrong, in its log
// and in GET /patroni, and leave everything in place.
func TestBrokenDisks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting file systems takes root")
	}
	t.Parallel()
	d := newDisks(t)
	d.full(d.first, d.first.DataDir, d.second)
	d.full(d.second, filepath.Dir(d.wal), d.first)
	d.readOnly()
	d.otherOwner()
	d.corruptControlFile()
	d.withoutLabel()
}

func newDisks(t *testing.T) *disks {
	l := lab.New(t, lab.Options{Nodes: 2, Lazy: true, DCS: fast + smallLog})
	d := &disks{Lab: l, t: t, first: l.Nodes[0], second: l.Nodes[1]}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	d.uid, _ = strconv.Atoi(u.Uid)
	d.gid, _ = strconv.Atoi(u.Gid)
	d.wal = filepath.Join(filepath.Dir(d.second.DataDir), "log", "wal")
	d.edit(d.second, "  basebackup:\n  - no-sync\n", fmt.Sprintf(
		"  basebackup:\n  - no-sync\n  - waldir: %s\n  - tablespace-mapping: %s=%s\n", d.wal, d.space(d.first), d.space(d.second)))
	d.mount(d.first, d.first.DataDir)
	d.mount(d.second, d.second.DataDir)
	d.mount(d.second, filepath.Dir(d.wal))
	d.first.Start()
	l.WaitHealthy(60 * time.Second)
	d.second.Start()
	l.WaitHealthy(60 * time.Second)
	l.CreateTable()
	d.strangers(filepath.Dir(d.first.DataDir), filepath.Dir(d.second.DataDir), filepath.Dir(d.wal))
	return d
}

func (d *disks) edit(n *lab.Node, old, new string) {
	d.t.Helper()
	text, err := os.ReadFile(n.Config)
	if err != nil || !strings.Contains(string(text), old) {
		d.t.Fatalf("edit %s: %v", n.Config, err)
	}
	if err := os.WriteFile(n.Config, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// mount puts a small file system at dir until n has ended.
func (d *disks) mount(n *lab.Node, dir string) {
	d.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=320m,mode=0700,uid=%d,gid=%d", d.uid, d.gid)); err != nil {
		d.t.Skipf("mounting is not possible here: %v", err)
	}
	d.t.Cleanup(func() {
		n.KillAll()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			d.t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill leaves no room on the file system of dir until the file is removed.
func (d *disks) fill(dir string) (file string) {
	d.t.Helper()
	file = filepath.Join(dir, ".filler")
	_ = exec.Command("dd", "if=/dev/zero", "of="+file, "bs=1M").Run() // until it fails
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail > 0 {
		d.t.Fatalf("%s has still room for %d blocks (%v)", dir, fs.Bavail, err)
	}
	return file
}

// full lets the leader n write onto a full disk at dir, until next leads.
func (d *disks) full(n *lab.Node, dir string, next *lab.Node) {
	d.t.Helper()
	filler := d.fill(dir)
	d.told(n, "running", "no room is left on the file system of "+n.DataDir)
	if _, err := n.Query("SELECT count(pg_logical_emit_message(false, 'x', repeat('x', 1000000))) FROM generate_series(1, 200)"); err == nil {
		d.t.Error("writing onto the full disk succeeds")
	}
	d.Wait(60*time.Second, next.Name+" to lead", func() string {
		if d.Leader() != next {
			return "it does not"
		}
		return ""
	})
	d.told(n, "start failed", "no room is left on the file system of "+n.DataDir)
	d.Wait(20*time.Second, "the record of the failover to name the cause", func() string {
		_, text, err := next.Call(http.MethodGet, "/failovers", "")
		if err != nil || !strings.Contains(text, "disk full") {
			return fmt.Sprint(text, err)
		}
		return ""
	})
	if err := os.Remove(filler); err != nil {
		d.t.Fatal(err)
	}
	d.well()
}

// told waits until GET /patroni of n has one of the states and all the words,
// and looks for them in the log. The states stand around "or".
func (d *disks) told(n *lab.Node, states string, words ...string) {
	d.t.Helper()
	d.Wait(20*time.Second, fmt.Sprintf("%s to tell %q %q", n.Name, states, words), func() string {
		o, err := n.GetJSON("/patroni")
		if err != nil {
			return err.Error()
		}
		shown := o.Object("pgregent").String()
		if !slices.Contains(strings.Split(states, " or "), cluster.Text(o.Get("state"))) {
			return o.String()
		}
		for _, w := range words {
			if !strings.Contains(shown, w) || !strings.Contains(n.Log(), w) {
				return o.String()
			}
		}
		return ""
	})
}

// well waits until both nodes are members in order again, and nothing is
// wrong with the disk.
func (d *disks) well() {
	d.t.Helper()
	d.WaitHealthy(60 * time.Second)
	for _, n := range d.Nodes {
		if o, err := n.GetJSON("/patroni"); err != nil || o.Object("pgregent").Has("disk") {
			d.t.Errorf("%s: got %v (%v), want nothing about its disk", n.Name, o, err)
		}
	}
	for _, file := range d.theirs {
		if _, err := os.Stat(file); err != nil {
			d.t.Errorf("a file that is not the server's was removed: %v", err)
		}
	}
}

// strangers puts a file beside everything that is the server's, which nobody
// may touch.
func (d *disks) strangers(dirs ...string) {
	d.t.Helper()
	for _, dir := range dirs {
		file := filepath.Join(dir, "theirs")
		d.must(os.WriteFile(file, []byte("x"), 0o600))
		d.theirs = append(d.theirs, file)
	}
}

func (d *disks) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// whileDown stops the second node in order, changes its files and starts it.
func (d *disks) whileDown(change func()) {
	d.t.Helper()
	d.second.Signal(syscall.SIGTERM)
	d.second.WaitExit(20 * time.Second)
	change()
	d.second.Start()
}

func (d *disks) remount(flags uintptr) {
	d.t.Helper()
	d.must(syscall.Mount("", d.second.DataDir, "", syscall.MS_REMOUNT|flags, ""))
}

func (d *disks) readOnly() {
	d.whileDown(func() { d.remount(syscall.MS_RDONLY) })
	d.told(d.second, "start failed", "is mounted read-only")
	d.remount(0)
	d.well()
}

// otherOwner: an agent does not start then; one that runs says so.
func (d *disks) otherOwner() {
	dir := d.second.DataDir
	d.must(os.Chown(dir, 0, 0))
	d.must(syscall.Kill(d.second.Postmaster(), syscall.SIGKILL))
	// Crashed, or stopped: if the agent looks between the two, it cannot see
	// any more that this is a standby, and demotes it.
	d.told(d.second, "crashed or stopped", "data directory "+dir+" belongs to user root")
	d.whileDown(func() {})
	if code := d.second.WaitExit(20 * time.Second); code == 0 || !strings.Contains(d.second.Log(), "belongs to user id 0") {
		d.t.Errorf("the agent ended with %d", code)
	}
	d.must(os.Chown(dir, d.uid, d.gid))
	d.second.Start()
	d.well()
}

func (d *disks) corruptControlFile() {
	control := filepath.Join(d.second.DataDir, "global", "pg_control")
	var good []byte
	damage := func(bad func() []byte, words ...string) {
		d.t.Helper()
		d.whileDown(func() {
			if good == nil {
				text, err := os.ReadFile(control)
				d.must(err)
				good = text
			}
			d.must(os.WriteFile(control, bad(), 0o600))
		})
		d.told(d.second, "stopped", words...)
	}
	damage(func() []byte {
		bad := slices.Clone(good)
		bad[60] ^= 0xff
		return bad
	}, "global/pg_control is corrupt (wrong checksum)")
	damage(func() []byte { return make([]byte, len(good)) }, "global/pg_control is corrupt")
	damage(func() []byte { return nil }, "read control file", "pg_control")
	d.must(os.WriteFile(control, good, 0o600))
	d.well()
}

func (d *disks) space(n *lab.Node) string { return filepath.Join(filepath.Dir(n.DataDir), "space") }

// withoutLabel: a copy made by hand whose backup_label is missing is not
// started. It has a tablespace elsewhere: what replaces the copy removes its
// own files there, and nothing else.
func (d *disks) withoutLabel() {
	for _, n := range d.Nodes {
		d.must(os.Mkdir(d.space(n), 0o700))
		d.must(os.Chown(d.space(n), d.uid, d.gid))
		d.strangers(d.space(n))
	}
	before := ""
	d.whileDown(func() {
		d.first.MustExec("CREATE TABLESPACE far LOCATION '" + d.space(d.first) + "'")
		d.first.MustExec("CREATE TABLE there TABLESPACE far AS SELECT 1 AS i")
		d.copyByHand()
		before = d.spaceFiles(d.second)
	})
	d.told(d.second, "stopped", "without its backup_label", d.second.DataDir)
	if now := d.spaceFiles(d.second); now != before || !strings.Contains(now, "PG_") {
		d.t.Errorf("the files in the tablespace were %s, and are %s", before, now)
	}
	post(d.t, d.second, "/reinitialize", "", http.StatusOK)
	d.told(d.second, "stopped", "exists but is not empty", d.space(d.second))
	if files := d.spaceFiles(d.second); strings.Contains(files, "PG_") || !strings.Contains(files, "theirs") {
		d.t.Errorf("what is removed is the copy's own; left are %s", files)
	}
	d.must(os.Remove(filepath.Join(d.space(d.second), "theirs"))) // as the operator has to
	d.theirs = slices.DeleteFunc(d.theirs, func(f string) bool { return filepath.Dir(f) == d.space(d.second) })
	d.well()
	for _, n := range d.Nodes {
		if files := d.spaceFiles(n); strings.Count(files, "PG_") != 1 {
			d.t.Errorf("the tablespace of %s holds %s", n.Name, files)
		}
	}
	d.Wait(20*time.Second, "the table in the tablespace", func() string {
		got, err := d.second.Query("SELECT i FROM there")
		if err != nil || got != "1" {
			return fmt.Sprint(got, err)
		}
		return ""
	})
}

func (d *disks) spaceFiles(n *lab.Node) string {
	found, _ := filepath.Glob(filepath.Join(d.space(n), "*"))
	return strings.Join(found, " ")
}

// copyByHand replaces the data of the second node by a copy of the first one
// that lacks its backup_label.
func (d *disks) copyByHand() {
	d.t.Helper()
	dir := d.second.DataDir
	for _, pattern := range []string{filepath.Join(dir, "*"), filepath.Join(d.wal, "*")} {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			d.must(os.RemoveAll(f))
		}
	}
	theirs := filepath.Join(d.space(d.second), "theirs")
	d.must(os.Rename(theirs, d.second.DataDir+".theirs")) // pg_basebackup wants an empty directory
	cmd := exec.Command(filepath.Join(lab.BinDir(), "pg_basebackup"), "-D", dir, "-X", "stream", "-c", "fast", "-N",
		"-d", d.first.DSN(), "--waldir", d.wal, "-T", d.space(d.first)+"="+d.space(d.second))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(d.uid), Gid: uint32(d.gid)}}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("copy: %v: %s", err, out)
	}
	d.must(os.Rename(d.second.DataDir+".theirs", theirs))
	d.must(os.Remove(filepath.Join(dir, "backup_label")))
}
