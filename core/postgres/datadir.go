package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgregent/pgregent/core/config"
)

// inspectData looks at the data directory: whether there is nothing in it,
// and if there is, why it cannot be used ("" if it can).
func (s *Server) inspectData() (empty bool, problem string) {
	dir := s.config().DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, ""
	case err != nil:
		return false, fmt.Sprintf("data directory %s cannot be read: %v; check the mount and the permissions of its parents", dir, err)
	case !info.IsDir():
		return false, fmt.Sprintf("data directory %s is not a directory; remove it or change postgresql.data_dir", dir)
	}
	if s.incomplete() {
		return true, "" // a copy that was cut off is worth nothing
	}
	entries, err := os.ReadDir(dir)
	if err == nil && holdsNothing(entries) {
		return true, ""
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return false, fmt.Sprintf("data directory %s belongs to user %s, but this agent runs as user %s; run it as %[2]s or chown the directory",
			dir, userName(int(owner.Uid)), userName(os.Geteuid()))
	}
	if err != nil {
		return false, fmt.Sprintf("data directory %s (owner %s) cannot be read: %v; chmod 0700 %[1]s", dir, userName(os.Geteuid()), err)
	}
	for _, name := range []string{"PG_VERSION", "global/pg_control"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return false, fmt.Sprintf("data directory %s (owner %s) is not a usable cluster: %v; restore it, or move it away to let it be created anew",
				dir, userName(os.Geteuid()), err)
		}
		_ = f.Close() // opened for reading only
	}
	return false, withoutLabel(dir)
}

// withoutLabel recognizes a copy of a running server that lacks backup_label,
// by which recovery would know where to begin: from anywhere else the data
// become corrupt, without a word. A server that ran here has left its
// postmaster.opts, which copying programs leave out and snapshots of the whole
// file system hold.
func withoutLabel(dir string) string {
	head, err := readControlHead(dir)
	if err != nil || (head.State != dbInProduction && head.State != dbInArchiveRecovery) {
		return "" // the control file is looked at by others
	}
	for _, name := range []string{"backup_label", "postmaster.opts"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
	}
	return fmt.Sprintf("data directory %s is a copy of a running server (%s) without its backup_label, and would become corrupt; copy it again, "+
		"or let it be made anew (reinitialize); for an atomic snapshot, keep its postmaster.opts, or let the replica method create an empty one", dir, head.State)
}

// holdsNothing: what a mount point has, and hidden files, do not count.
func holdsNothing(entries []os.DirEntry) bool {
	for _, e := range entries {
		if e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), ".") {
			return false
		}
	}
	return true
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// markerPath is a file beside the data directory that exists while its
// content is being made. An agent that starts and finds it knows that initdb,
// a copy or a rewind was cut off.
func (s *Server) markerPath() string {
	dir := filepath.Clean(s.config().DataDir)
	return filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".incomplete")
}

func (s *Server) incomplete() bool {
	_, err := os.Lstat(s.markerPath())
	return err == nil
}

// markIncomplete makes the marker durable before the first change.
func (s *Server) markIncomplete(what string) error {
	path := s.markerPath()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("mark data directory as incomplete: %w", err)
	}
	if err := writeFile(path, []byte(what+"\n"), 0o600); err != nil {
		return fmt.Errorf("mark data directory as incomplete: %w", err)
	}
	return nil
}

// markComplete removes the marker.
func (s *Server) markComplete() error {
	if err := os.Remove(s.markerPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark data directory as complete: %w", err)
	}
	return nil
}

// RemoveData empties the data directory, and removes what this server keeps in
// the places for WAL and tablespaces that it links to. The directory itself
// stays: it may be a mount point. Where a replica method may go on with what
// is there, the data are marked as incomplete instead, and the method decides.
func (s *Server) RemoveData() error {
	if s.find() != nil {
		return errors.New("remove data directory: PostgreSQL runs")
	}
	if m := s.config().Site.Methods; len(m) > 0 && s.site != nil && (len(m) > 1 || m[0].Name != config.BaseBackupMethod) {
		return s.markIncomplete("copy")
	}
	if err := s.emptyData(); err != nil {
		return fmt.Errorf("remove data directory: %w", err)
	}
	return s.markComplete()
}

func (s *Server) emptyData() error {
	dir := s.config().DataDir
	if filepath.Clean(dir) == "/" {
		return errors.New("the data directory is the root directory")
	}
	err := removeLinked(dir)
	s.forgetData()
	return errors.Join(err, emptyDir(dir))
}

// emptyDir removes everything in dir; a missing dir is fine.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// MoveDataAside renames the data directory to <data_dir>.failed, in place of
// an older one, and so the WAL and tablespaces that it links to.
func (s *Server) MoveDataAside() error {
	if s.find() != nil {
		return errors.New("move data directory aside: PostgreSQL runs")
	}
	dir := filepath.Clean(s.config().DataDir)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	const suffix = ".failed"
	errs := []error{moveLinked(dir, suffix), replaceDir(dir, dir+suffix)}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("move data directory aside: %w", err)
	}
	s.forgetData()
	return s.markComplete()
}

// replaceDir renames from over to. There may be nothing to rename.
func replaceDir(from, to string) error {
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// forgetData drops what is remembered of the data directory.
func (s *Server) forgetData() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.realDir, s.segment, s.control, s.timeline = "", 0, controlCache{}, 0
	s.followKnown, s.following = false, nil
}
