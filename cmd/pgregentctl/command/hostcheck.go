package command

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/config"
)

// little is how full, in percent, the disk of a data directory may be.
const little = 90

// checkDisk looks at the room where the data is.
func checkDisk(local *config.Local) []found {
	p, _ := local.Postgres(nil)
	var s unix.Statfs_t
	if err := unix.Statfs(p.DataDir, &s); err != nil {
		return []found{{note, fmt.Sprintf("the disk of %s is not known: %v", p.DataDir, err), ""}}
	}
	total, free := int64(s.Blocks)*s.Bsize, int64(s.Bavail)*s.Bsize
	if total <= 0 {
		return nil
	}
	used := (total - free) * 100 / total
	f := found{good, fmt.Sprintf("the disk of %s is %d%% full, %s are free", p.DataDir, used, bytesText(free)), ""}
	if used > little {
		f.grade, f.fix = atRisk, "make room: PostgreSQL stops when it cannot write its log"
	}
	return []found{f}
}

// checkWatchdog looks whether the device may be used, without opening it:
// that would start it.
func checkWatchdog(w config.Watchdog) []found {
	if w.Mode == config.WatchdogOff {
		return []found{{note, "no watchdog is used: a host that freezes is noticed by its peers alone", "set watchdog.mode: automatic"}}
	}
	err := unix.Access(w.Device, unix.W_OK)
	switch {
	case err == nil:
		return []found{{good, "the watchdog " + w.Device + " may be used", ""}}
	case w.Mode == config.WatchdogRequired:
		return []found{{broken, fmt.Sprintf("the watchdog %s is required and cannot be used: %v", w.Device, err), "load the module (modprobe softdog) and give the device to the agent's user"}}
	}
	return []found{{note, fmt.Sprintf("the watchdog %s cannot be used: %v", w.Device, err), "load the module (modprobe softdog) and give the device to the agent's user"}}
}
