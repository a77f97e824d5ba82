package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// bootIDPath tells one start of the host from the next: the boot-time clock
// begins anew with each.
const bootIDPath = "/proc/sys/kernel/random/boot_id"

// promiseFile is promise.json: what a restarted agent must not forget.
type promiseFile struct {
	To     string        `json:"to"`
	Epoch  cluster.Epoch `json:"epoch,omitempty"`
	Until  lease.Instant `json:"until_boottime_ns"`
	BootID string        `json:"boot_id"`
	For    time.Duration `json:"for_ns"`
	// ConnURL is where that leader accepts connections.
	ConnURL string `json:"conn_url,omitempty"`
}

func (d *stateDir) promisePath() string { return filepath.Join(d.dir, "promise.json") }

// savePromise keeps a promise that ends after that time, durably.
func (d *stateDir) savePromise(p decide.Promise, after time.Duration) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	text, err := json.Marshal(promiseFile{To: p.To, Epoch: p.Epoch, Until: p.Until, BootID: boot, For: after, ConnURL: p.ConnURL})
	if err != nil {
		return fmt.Errorf("encode promise: %w", err)
	}
	return renameio.WriteFile(d.promisePath(), text, 0o600)
}

// loadPromise returns the last promise. After a reboot nobody knows how much
// of it is left, so it holds in full from now on; so does one that cannot be
// read, for ttl.
func (d *stateDir) loadPromise(now lease.Instant, ttl time.Duration) decide.Promise {
	text, err := os.ReadFile(d.promisePath())
	if errors.Is(err, fs.ErrNotExist) {
		return decide.Promise{}
	}
	var f promiseFile
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return decide.Promise{To: "an unknown leader", Until: now.Add(ttl)}
	}
	p := decide.Promise{To: f.To, Epoch: f.Epoch, Until: f.Until, ConnURL: f.ConnURL}
	if boot, err := bootID(); err != nil || boot != f.BootID {
		p.Until = now.Add(f.For)
	}
	return p
}

func bootID() (string, error) {
	text, err := os.ReadFile(bootIDPath)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
