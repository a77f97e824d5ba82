package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/zkdcs"
)

// stateDir is what a restarted agent finds again: the ZooKeeper session
// (session.json, 0600), the members (members.json) and the last dynamic
// configuration, which lies in the data directory under Patroni's name so that
// either agent finds it.
type stateDir struct {
	dir, dataDir string
	local        *config.Local
	lock         *os.File

	mu    sync.Mutex
	saved string // text of the dynamic configuration last written
}

// openStateDir makes the directory and locks it, so that two agents can never
// share one session or one data directory.
func openStateDir(local *config.Local) (*stateDir, error) {
	pg, _ := local.Postgres(nil)
	d := &stateDir{dir: local.StateDir, dataDir: pg.DataDir, local: local}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state_dir %s (set state_dir to a place that this user may write to): %w", d.dir, err)
	}
	var err error
	d.lock, err = os.OpenFile(filepath.Join(d.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of state_dir: %w", err)
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = d.lock.Close()
		return nil, fmt.Errorf("there is already a node named '%s' running with state_dir %s", local.Name, d.dir)
	}
	return d, nil
}

func (d *stateDir) close() { _ = d.lock.Close() } // closing releases the lock

type sessionFile struct {
	Namespace string `json:"namespace"`
	Scope     string `json:"scope"`
	Name      string `json:"name"`
	ID        int64  `json:"session"`
	Password  string `json:"password"`
	TimeoutMS int64  `json:"timeout_ms"`
	// BootID is of the host: a copy of the directory on another host must not
	// share the session.
	BootID string `json:"boot_id"`
}

func (d *stateDir) sessionPath() string { return filepath.Join(d.dir, "session.json") }

func (d *stateDir) saveSession(s zkdcs.Session) error {
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	text, err := json.Marshal(sessionFile{
		Namespace: d.local.Namespace, Scope: d.local.Scope, Name: d.local.Name, ID: s.ID,
		Password: base64.StdEncoding.EncodeToString(s.Password[:]), TimeoutMS: s.Timeout.Milliseconds(),
		BootID: boot,
	})
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	return renameio.WriteFile(d.sessionPath(), text, 0o600)
}

// loadSession returns the session of the last run of this same member on this
// host since it was booted; nil if there is none.
func (d *stateDir) loadSession() *zkdcs.Session {
	text, err := os.ReadFile(d.sessionPath())
	if err != nil {
		return nil
	}
	var f sessionFile
	if json.Unmarshal(text, &f) != nil || f.Namespace != d.local.Namespace || f.Scope != d.local.Scope || f.Name != d.local.Name {
		return nil
	}
	if boot, err := bootID(); err != nil || boot != f.BootID {
		return nil
	}
	if f.ID == d.loadSpent() {
		return nil // its end may still take effect
	}
	password, err := base64.StdEncoding.DecodeString(f.Password)
	if err != nil || len(password) != 16 {
		return nil
	}
	return &zkdcs.Session{ID: f.ID, Password: [16]byte(password), Timeout: time.Duration(f.TimeoutMS) * time.Millisecond}
}

// dropSession forgets a session that was closed.
func (d *stateDir) dropSession() {
	_ = os.Remove(d.sessionPath()) // a closed session cannot be resumed anyway
}

func (d *stateDir) spentPath() string { return filepath.Join(d.dir, "spent") }

// saveSpent notes, for the next fence, that a fence has killed PostgreSQL for
// that session and is about to close it.
func (d *stateDir) saveSpent(session int64) error {
	if err := renameio.WriteFile(d.spentPath(), strconv.AppendInt(nil, session, 10), 0o600); err != nil {
		return fmt.Errorf("note the spent session: %w", err)
	}
	return nil
}

// loadSpent is the session that was noted last; 0: none.
func (d *stateDir) loadSpent() int64 {
	text, err := os.ReadFile(d.spentPath())
	if err != nil {
		return 0
	}
	session, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return session
}

// bootstrapping reports that the last run was cut off while it made the
// cluster.
func (d *stateDir) bootstrapping() bool {
	_, err := os.Stat(d.bootstrapPath())
	return err == nil
}

// setBootstrapping notes, or clears, that the cluster is being made.
func (d *stateDir) setBootstrapping(now bool) error {
	if now {
		return renameio.WriteFile(d.bootstrapPath(), nil, 0o600)
	}
	if err := os.Remove(d.bootstrapPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear the note of a bootstrap: %w", err)
	}
	return nil
}

func (d *stateDir) bootstrapPath() string { return filepath.Join(d.dir, "bootstrapping") }

func (d *stateDir) dynamicPath() string { return filepath.Join(d.dataDir, dynamicFile) }

// dynamicFile is the name under which either agent finds the last dynamic
// configuration in the data directory.
const dynamicFile = "patroni.dynamic.json"

// loadDynamic reads the cached dynamic configuration; nil if there is none.
func (d *stateDir) loadDynamic() *cluster.Object {
	text, err := os.ReadFile(d.dynamicPath())
	if err != nil {
		return nil
	}
	o, err := cluster.ParseObject(text)
	if err != nil || o.Len() == 0 {
		return nil
	}
	d.saved = o.String()
	return o
}

// saveDynamic writes the cache when its text changed. Without a data
// directory there is nothing to do yet.
func (d *stateDir) saveDynamic(o *cluster.Object) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := o.String()
	if _, err := os.Stat(d.dynamicPath()); err == nil && text == d.saved {
		return nil
	}
	if _, err := os.Stat(filepath.Join(d.dataDir, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(d.dataDir); err == nil && info.Mode().Perm()&0o050 == 0o050 {
		mode = 0o640 // as the other files of a directory that the group may read
	}
	if err := renameio.WriteFile(d.dynamicPath(), []byte(text), mode, renameio.WithStaticPermissions(mode)); err != nil {
		return fmt.Errorf("write %s: %w", d.dynamicPath(), err)
	}
	d.saved = text
	return nil
}
