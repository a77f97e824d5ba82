package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// linkedDir is a place outside the data directory that it links to.
type linkedDir struct {
	link, target string
	// ours reports whether an entry of target belongs to this server: others
	// may keep their files beside.
	ours func(name string) bool
}

// walFile matches what a server keeps in pg_wal.
var walFile = regexp.MustCompile(`^([0-9A-F]{24}(\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history|archive_status|summaries|xlogtemp\.[0-9]+|RECOVERY(XLOG|HISTORY))$`)

// linkedDirs are the targets of a linked pg_wal and of the tablespaces. A
// tablespace's files are in one directory for each version, PG_15_202209061:
// that of this server is ours.
func linkedDirs(dataDir string) []linkedDir {
	out := addLink(nil, filepath.Join(dataDir, "pg_wal"), walFile.MatchString)
	major, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	prefix := "PG_" + strings.TrimSpace(string(major)) + "_"
	spaces, listErr := os.ReadDir(filepath.Join(dataDir, "pg_tblspc"))
	if err != nil || listErr != nil {
		return out // no version: nothing in a tablespace is known to be ours
	}
	for _, e := range spaces {
		out = addLink(out, filepath.Join(dataDir, "pg_tblspc", e.Name()), func(name string) bool { return strings.HasPrefix(name, prefix) })
	}
	return out
}

func addLink(list []linkedDir, link string, ours func(string) bool) []linkedDir {
	target, err := os.Readlink(link)
	if err != nil {
		return list // not a link
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(link), target)
	}
	return append(list, linkedDir{link, target, ours})
}

// own lists what is ours in the target; nothing if that is not there.
func (l linkedDir) own() ([]string, error) {
	entries, err := os.ReadDir(l.target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if l.ours(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// removeLinked removes what is ours in the linked places, and nothing else.
func removeLinked(dataDir string) error {
	var errs []error
	for _, l := range linkedDirs(dataDir) {
		names, err := l.own()
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.RemoveAll(filepath.Join(l.target, name)))
		}
	}
	return errors.Join(errs...)
}

// moveLinked moves what is ours in the linked places into directories beside
// them, in place of older ones, and lets the links point there.
func moveLinked(dataDir, suffix string) error {
	var errs []error
	for _, l := range linkedDirs(dataDir) {
		if err := l.moveAside(l.target + suffix); err != nil {
			errs = append(errs, fmt.Errorf("move what %s links to: %w", l.link, err))
		}
	}
	return errors.Join(errs...)
}

func (l linkedDir) moveAside(to string) error {
	names, err := l.own()
	if err != nil {
		return err
	}
	old := linkedDir{target: to, ours: l.ours}
	stale, err := old.own()
	if err != nil {
		return err
	}
	for _, name := range stale {
		if err := os.RemoveAll(filepath.Join(to, name)); err != nil {
			return err
		}
	}
	const mode = 0o700
	if err := os.MkdirAll(to, mode); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(l.target, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	if err := os.Remove(l.link); err != nil {
		return err
	}
	return os.Symlink(to, l.link)
}
