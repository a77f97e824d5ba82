package observability

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/core/cluster"
)

// The files in state_dir that tell the next agent how this one ended.
const (
	leadingName = "leading.json"
	fencedName  = "fenced.json"
)

// Leading is the note of an agent that leads.
type Leading struct {
	Epoch cluster.Epoch `json:"epoch"`
	// At is when it was written, BootID of which start of the host.
	At     time.Time `json:"at"`
	BootID string    `json:"boot_id"`
}

// Fenced is the note of the fence that has killed PostgreSQL.
type Fenced struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// SaveLeading notes a leadership; epoch 0 removes the note.
func SaveLeading(dir string, l Leading) error {
	if l.Epoch == 0 {
		if err := os.Remove(filepath.Join(dir, leadingName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove note of leadership: %w", err)
		}
		return nil
	}
	return save(filepath.Join(dir, leadingName), l)
}

// SaveFenced notes a kill.
func SaveFenced(dir string, f Fenced) error { return save(filepath.Join(dir, fencedName), f) }

func save(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := renameio.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// LoadLastWord reads what a former agent and its fence have left; zero values
// for what is not there or cannot be read.
func LoadLastWord(dir string) (l Leading, f Fenced) {
	for name, v := range map[string]any{leadingName: &l, fencedName: &f} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil && json.Unmarshal(text, v) != nil {
			continue // a damaged note is none
		}
	}
	return l, f
}
