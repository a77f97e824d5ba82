package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pgregent/pgregent/core/cluster"
)

// dbState is the int32 at offset 16 of pg_control (enum DBState).
type dbState int32

const (
	dbShutdowned           dbState = 1
	dbShutdownedInRecovery dbState = 2
	dbInArchiveRecovery    dbState = 5
	dbInProduction         dbState = 6
)

// String is the text of pg_controldata.
func (d dbState) String() string {
	texts := []string{
		"starting up", "shut down", "shut down in recovery", "shutting down",
		"in crash recovery", "in archive recovery", "in production",
	}
	if d < 0 || int(d) >= len(texts) {
		return "unrecognized status code"
	}
	return texts[d]
}

// controlHead is the beginning of pg_control, whose layout is the same in
// all versions from 11 on.
type controlHead struct {
	SystemID   string
	State      dbState
	Checkpoint cluster.LSN      // start of the last checkpoint record
	Timeline   cluster.Timeline // of that record
}

const controlHeadSize = 52

// readControlHead reads global/pg_control. The server overwrites the file in
// place, so it is read until two reads agree.
func readControlHead(dataDir string) (controlHead, error) {
	f, err := os.Open(filepath.Join(dataDir, "global", "pg_control"))
	if err != nil {
		return controlHead{}, fmt.Errorf("read control file: %w", err)
	}
	defer f.Close()
	var before, now [controlHeadSize]byte
	for range 10 {
		if _, err := f.ReadAt(now[:], 0); err != nil {
			return controlHead{}, fmt.Errorf("read control file: %w", err)
		}
		if bytes.Equal(before[:], now[:]) {
			return parseControlHead(now), nil
		}
		before = now
	}
	return controlHead{}, errors.New("read control file: it changes all the time")
}

// parseControlHead decodes the fields, which are in the host's byte order.
func parseControlHead(b [controlHeadSize]byte) controlHead {
	order := binary.NativeEndian
	return controlHead{
		SystemID:   strconv.FormatUint(order.Uint64(b[0:]), 10),
		State:      dbState(order.Uint32(b[16:])),
		Checkpoint: cluster.LSN(order.Uint64(b[32:])),
		Timeline:   cluster.Timeline(order.Uint32(b[48:])),
	}
}
