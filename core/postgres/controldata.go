package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// controlData is what pg_controldata prints, by label. The prefix "Current "
// of some labels is removed.
type controlData map[string]string

func parseControlData(text string) controlData {
	d := controlData{}
	for line := range strings.SplitSeq(text, "\n") {
		if isChecksumWarning(line) {
			d[badChecksum] = "yes"
			continue
		}
		label, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		d[strings.TrimPrefix(strings.TrimSpace(label), "Current ")] = strings.TrimSpace(value)
	}
	return d
}

// badChecksum is a label that pg_controldata does not have.
const badChecksum = "wrong checksum"

// isChecksumWarning recognizes "WARNING: Calculated CRC checksum does not match
// value stored in file." and how newer versions put it.
func isChecksumWarning(line string) bool {
	return strings.Contains(strings.ToLower(line), "calculated crc checksum does not match")
}

func (d controlData) lsn(label string) cluster.LSN {
	lsn, err := cluster.ParseLSN(d[label])
	if err != nil {
		return 0 // absent: unknown
	}
	return lsn
}

func (d controlData) number(label string) uint64 {
	n, err := strconv.ParseUint(d[label], 10, 64)
	if err != nil {
		return 0 // absent: unknown
	}
	return n
}

// control is the part that decisions need.
func (d controlData) control() cluster.Control {
	return cluster.Control{
		State:          d["Database cluster state"],
		CheckpointLSN:  d.lsn("Latest checkpoint location"),
		Timeline:       cluster.Timeline(d.number("Latest checkpoint's TimeLineID")),
		MinRecoveryLSN: d.lsn("Minimum recovery ending location"),
		MinRecoveryTLI: cluster.Timeline(d.number("Min recovery ending loc's timeline")),
		RewindPossible: d["wal_log_hints setting"] == "on" || d.number("Data page checksum version") > 0,
	}
}

// corrupt says that the file of dir is not what a server has written, "" if it
// is. Only while none runs: a file that is being written reads torn.
func (d controlData) corrupt(dir string) string {
	if d[badChecksum] == "" {
		return ""
	}
	return fmt.Sprintf("data directory %s: its control file global/pg_control is corrupt (wrong checksum); restore it from a backup, "+
		"or let the node be copied anew (reinitialize)", dir)
}

// controlCache keeps the last output of pg_controldata and which file it was
// of.
type controlCache struct {
	data     controlData
	modified time.Time
	inode    uint64
}

// controlData runs pg_controldata unless the control file is the same as at
// the last call.
func (s *Server) controlData(ctx context.Context) (controlData, error) {
	cfg := s.config()
	info, err := os.Stat(filepath.Join(cfg.DataDir, "global", "pg_control"))
	if err != nil {
		return nil, fmt.Errorf("read control file: %w", err)
	}
	var inode uint64
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	s.mu.Lock()
	c := s.control
	s.mu.Unlock()
	if c.data != nil && c.inode == inode && c.modified.Equal(info.ModTime()) {
		return c.data, nil
	}
	out, said, err := s.run(ctx, tool{name: "pg_controldata", args: []string{"-D", cfg.DataDir}})
	if err != nil {
		return nil, fmt.Errorf("read control file: %w", err)
	}
	c = controlCache{data: parseControlData(said + "\n" + out), modified: info.ModTime(), inode: inode}
	if c.data["Database system identifier"] == "" {
		return nil, fmt.Errorf("read control file: unexpected output of pg_controldata: %s", tail(out))
	}
	if c.data[badChecksum] != "" {
		return c.data, nil // perhaps read while it was written
	}
	s.mu.Lock()
	s.control = c
	s.mu.Unlock()
	return c.data, nil
}

// segmentSize is the size of a WAL segment in bytes, which never changes in
// the life of a data directory.
func (s *Server) segmentSize(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	size := s.segment
	s.mu.Unlock()
	if size > 0 {
		return size, nil
	}
	d, err := s.controlData(ctx)
	if err != nil {
		return 0, err
	}
	size = d.number("Bytes per WAL segment")
	s.mu.Lock()
	s.segment = size
	s.mu.Unlock()
	return size, nil
}
