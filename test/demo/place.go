package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// place chooses where the files really are. When the account cannot enter the
// repository (root's home, say), they are in /var/tmp, and .demo is a link.
func (d *demo) place() error {
	if d.account.checkAccess(filepath.Dir(d.dir)) == nil {
		return nil
	}
	real := filepath.Join("/var/tmp", fmt.Sprintf("pgregent-demo-%08x", crc32.ChecksumIEEE([]byte(d.dir))))
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("remove old files: %w", err)
	}
	if err := os.Symlink(real, d.dir); err != nil {
		return fmt.Errorf("link the demonstration's directory: %w", err)
	}
	d.dir = real
	return nil
}

// remove removes the files, wherever they are.
func (d *demo) remove() error {
	real, err := filepath.EvalSymlinks(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = d.dir, nil
	}
	if err == nil {
		err = errors.Join(os.RemoveAll(real), os.RemoveAll(d.dir))
	}
	if err != nil {
		return fmt.Errorf("remove files: %w", err)
	}
	return nil
}
