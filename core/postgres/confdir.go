package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgregent/pgregent/core/config"
)

// configFiles are kept in copies inside the data directory when they lie
// outside, so that base backups carry them.
var configFiles = []string{"postgresql.conf", baseName, "pg_hba.conf", "pg_ident.conf"}

func outside(cfg config.Postgres) bool {
	return filepath.Clean(configDir(cfg)) != filepath.Clean(cfg.DataDir)
}

// restoreConfig fills in files that a configuration directory outside the
// data directory lacks: from the copies in a base backup, or from where
// initdb has put them.
func restoreConfig(cfg config.Postgres) error {
	if !outside(cfg) {
		return nil
	}
	if err := os.MkdirAll(configDir(cfg), 0o700); err != nil {
		return fmt.Errorf("restore configuration files: %w", err)
	}
	for _, name := range configFiles {
		to := filepath.Join(configDir(cfg), name)
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(cfg.DataDir, name+".backup"))
		if errors.Is(err, fs.ErrNotExist) {
			text, err = os.ReadFile(filepath.Join(cfg.DataDir, name))
		}
		if errors.Is(err, fs.ErrNotExist) {
			if name != "pg_ident.conf" {
				continue
			}
			text, err = nil, nil // the server wants one, and it may be empty
		}
		if err == nil {
			err = writeFile(to, text, fileMode(cfg.DataDir))
		}
		if err != nil {
			return fmt.Errorf("restore configuration files: %w", err)
		}
	}
	return nil
}

// saveConfig makes the copies that restoreConfig looks for.
func saveConfig(cfg config.Postgres) error {
	if !outside(cfg) {
		return nil
	}
	for _, name := range configFiles {
		text, err := os.ReadFile(filepath.Join(configDir(cfg), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = writeIfChanged(filepath.Join(cfg.DataDir, name+".backup"), text, fileMode(cfg.DataDir))
		}
		if err != nil {
			return fmt.Errorf("save configuration files: %w", err)
		}
	}
	return nil
}
