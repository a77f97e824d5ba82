package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgregent/pgregent/core/config"
)

// linked makes a data directory with a linked pg_wal and a tablespace whose
// places hold files of others, and returns a function that lists all files
// outside it.
func linked(t *testing.T) (s *Server, data string, outside func() []string) {
	t.Helper()
	base := t.TempDir()
	data = filepath.Join(base, "data")
	put := func(path string) {
		path = filepath.Join(base, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("15\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"data/PG_VERSION", "data/global/pg_control", "data/pg_tblspc/none",
		"wal/000000010000000000000001", "wal/archive_status/x.ready", "wal/00000002.history", "wal/notes.txt", "wal/backup/000000010000000000000001",
		"space/PG_15_202209061/5/1", "space/PG_14_202107181/5/1", "space/precious",
	} {
		put(path)
	}
	for link, target := range map[string]string{"data/pg_wal": filepath.Join(base, "wal"), "data/pg_tblspc/16385": "../../space"} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	outside = func() []string {
		var out []string
		err := filepath.WalkDir(base, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && filepath.Dir(path) != data {
				rel, _ := filepath.Rel(base, path) // both are below base
				out = append(out, rel)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return New(Options{Config: config.Postgres{DataDir: data}}), data, outside
}

var foreign = []string{"space/PG_14_202107181/5/1", "space/precious", "wal/backup/000000010000000000000001", "wal/notes.txt"}

func TestRemoveDataLeavesWhatIsNotOurs(t *testing.T) {
	s, data, outside := linked(t)
	if err := s.RemoveData(); err != nil {
		t.Fatal(err)
	}
	if got := outside(); !slices.Equal(got, foreign) {
		t.Errorf("left are %q, want %q", got, foreign)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) > 0 {
		t.Errorf("the data directory holds %v (%v)", entries, err)
	}
}

func TestMoveDataAsideLeavesWhatIsNotOurs(t *testing.T) {
	s, data, outside := linked(t)
	for range 2 { // the second finds an older failure
		if err := s.MoveDataAside(); err != nil {
			t.Fatal(err)
		}
	}
	got := outside()
	for _, path := range append([]string{
		"data.failed/global/pg_control", "wal.failed/000000010000000000000001", "wal.failed/archive_status/x.ready", "space.failed/PG_15_202209061/5/1",
	}, foreign...) {
		if !slices.Contains(got, path) {
			t.Errorf("%s is not there: %q", path, got)
		}
	}
	if link, err := os.Readlink(data + ".failed/pg_wal"); err != nil || filepath.Base(link) != "wal.failed" {
		t.Errorf("pg_wal links to %q (%v)", link, err)
	}
}
