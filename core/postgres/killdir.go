package postgres

import (
	"fmt"
	"path/filepath"
)

// KillDirectory sends SIGKILL to every server process that works in a data
// directory and returns when the signals are queued. It reads nothing but
// /proc, so that hung storage cannot hold it up; dir must have no symbolic
// links in it (see ResolveDirectory).
func KillDirectory(dir string) error {
	if err := killAll(dir, nil); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	return nil
}

// ResolveDirectory is dir as the kernel names it. A directory that does not
// exist yet is returned as it is.
func ResolveDirectory(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	if parent, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil {
		return filepath.Join(parent, filepath.Base(dir))
	}
	return dir
}
