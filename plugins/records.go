package plugins

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/plugins/script"
)

// records are files that tell, after the agent has died, which process groups
// it has left behind.
type records struct {
	dir string
	log *slog.Logger
}

// record is one of them.
type record struct {
	Plugin string `json:"plugin"`
	Group  int    `json:"group"`
	// Start is the start time of the group's leader in clock ticks, which are
	// of one boot.
	Start  uint64 `json:"start"`
	BootID string `json:"boot_id"`
}

func (r records) path(pgid int) string {
	return filepath.Join(r.dir, strconv.Itoa(pgid)+".json")
}

// note writes or removes the record of a process group. Without it, only a
// leftover of an agent that was killed would not be found.
func (r records) note(plugin string, pgid int, alive bool) {
	if !alive {
		if err := os.Remove(r.path(pgid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Warn("remove record of a plugin", "plugin", plugin, "err", err)
		}
		return
	}
	text, err := json.Marshal(record{Plugin: plugin, Group: pgid, Start: script.StartTime(pgid), BootID: bootID()})
	if err == nil {
		err = renameio.WriteFile(r.path(pgid), text, 0o600)
	}
	if err != nil {
		r.log.Warn("write record of a plugin", "plugin", plugin, "err", err)
	}
}

// endLeftovers kills what the last agent has left behind: it would go on
// writing into the data directory. Builds are begun anew by whoever asked for
// them.
func (r records) endLeftovers() error {
	files, err := filepath.Glob(filepath.Join(r.dir, "*.json"))
	if err != nil {
		return fmt.Errorf("look for leftovers of plugins: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		var rec record
		if err == nil {
			err = json.Unmarshal(text, &rec)
		}
		if err == nil && rec.Group > 1 && rec.BootID == bootID() {
			r.end(rec)
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove record of a plugin: %w", err)
		}
	}
	return nil
}

// end kills a group that is still the recorded one. A group whose leader has
// gone keeps its number from being given to anybody else.
func (r records) end(rec record) {
	start, alive := script.Group(rec.Group)
	if !alive || start != 0 && start != rec.Start {
		return
	}
	r.log.Warn("a plugin or script outlived the agent; killing it", "plugin", rec.Plugin, "group", rec.Group)
	script.KillTree(rec.Group)
}

func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
