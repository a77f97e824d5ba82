package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Check is a check of the host that is made only on request.
type Check int

// PortsFree checks that nothing listens where the REST API and PostgreSQL
// will. It is wrong for a node that runs already.
const PortsFree Check = 1

// Validate checks that this host can run what the configuration says: the
// PostgreSQL programs, the data directory, the state directory. It is for
// --validate-config and for the start.
func (l *Local) Validate(checks ...Check) []Finding {
	v := &hostChecker{local: l}
	if l.Bootstrap != nil {
		v.pg, _ = l.Postgres(l.Bootstrap.DCS)
	} else {
		v.pg, _ = l.Postgres(nil)
	}
	if os.Geteuid() == 0 {
		v.add(Warning, "", "", "running as root: PostgreSQL refuses to run as root; run this as the user that owns the data directory")
	}
	v.programs()
	v.dataDir()
	v.stateDir()
	v.logDir()
	v.pgPass()
	v.certificates()
	if slices.Contains(checks, PortsFree) {
		v.ports()
	}
	if slices.Contains(checks, ZooKeeperAnswers) {
		v.reachable()
	}
	return v.findings
}

type hostChecker struct {
	local    *Local
	pg       Postgres
	findings []Finding
}

func (v *hostChecker) add(s Severity, key, value, format string, args ...any) {
	pos, ok := v.local.where[key]
	if !ok {
		pos.file = v.local.file
	}
	if value != "" {
		value = shown(key, value)
	}
	v.findings = append(v.findings, Finding{
		Severity: s, File: pos.file, Line: pos.line, Key: key, Value: value, Message: fmt.Sprintf(format, args...),
	})
}

func (v *hostChecker) programs() {
	const key = "postgresql.bin_dir"
	dir := v.local.postgresql.Get("bin_dir")
	missing := missingPrograms(v.pg, v.local.path)
	if len(missing) == 0 {
		return
	}
	names := strings.Join(missing, ", ")
	if dir == nil && v.pg.BinDir == "" {
		v.add(Error, key, "", "is not set, and %s cannot be found on PATH; set it to the directory with PostgreSQL's programs", names)
		return
	}
	if _, err := os.Stat(v.pg.BinDir); errors.Is(err, fs.ErrNotExist) {
		v.add(Error, key, v.pg.BinDir, "does not exist; set it to the directory with PostgreSQL's programs")
		return
	}
	v.add(Error, key, v.pg.BinDir, "has no %s; install the PostgreSQL server package or set the directory that has them", names)
}

func (v *hostChecker) dataDir() {
	const key = "postgresql.data_dir"
	dir := v.pg.DataDir
	if written, _ := v.local.postgresql.Get("data_dir").(string); !filepath.IsAbs(written) {
		v.add(Warning, key, written, "is not an absolute path: %s is meant as long as the agent is started there", dir)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.writable(key, dir, filepath.Dir(dir), "the data directory")
	case err != nil:
		v.add(Error, key, dir, "cannot be looked at: %v", errors.Unwrap(err))
	case !info.IsDir():
		v.add(Error, key, dir, "is not a directory")
	default:
		v.existingDataDir(key, dir, info)
	}
}

// existingDataDir checks owner and version of a data directory.
// unfinished reports that the agent itself was cut off while it filled that
// directory (core/postgres keeps the mark), and will empty it.
func unfinished(dir string) bool {
	dir = filepath.Clean(dir)
	_, err := os.Stat(filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".incomplete"))
	return err == nil
}

// logDir must be there: a log that begins elsewhere would not be found.
func (v *hostChecker) logDir() {
	const key = "log.dir"
	dir := v.local.Log.Dir
	if dir == "" {
		return
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		v.add(Error, key, dir, "cannot be looked at: %v; make the directory", errors.Unwrap(err))
	case !info.IsDir():
		v.add(Error, key, dir, "is not a directory")
	default:
		v.writable(key, dir, dir, "the log")
	}
}

func (v *hostChecker) existingDataDir(key, dir string, info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		v.add(Error, key, dir, "belongs to user id %d, and this is user id %d; run as the owner, or chown the directory", st.Uid, os.Geteuid())
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		v.add(Error, key, dir, "cannot be read: %v", errors.Unwrap(err))
		return
	}
	have := dataVersion(dir)
	if len(entries) > 0 && have == 0 && !unfinished(dir) {
		v.add(Error, key, dir, "is not empty and has no PG_VERSION: it is not a data directory; empty it or name another one")
	}
	if program := majorOf(v.pg.BinDir); have != 0 && program != 0 && have != program {
		v.add(Error, "postgresql.bin_dir", v.pg.BinDir, "is PostgreSQL %d, but the data directory %s is of version %d", program, dir, have)
	}
}

func (v *hostChecker) stateDir() {
	const key = "state_dir"
	dir := v.local.StateDir
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		v.add(Error, key, dir, "is not a directory")
	case err == nil:
		v.writable(key, dir, dir, "state files")
	case filepath.Dir(dir) != filepath.Dir(v.pg.DataDir): // else told for data_dir
		v.writable(key, dir, filepath.Dir(dir), "the state directory")
	}
}

// writable checks that what can be created in dir.
func (v *hostChecker) writable(key, value, dir, what string) {
	const writeAndSearch = 3
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		v.add(Error, key, value, "the directory %s does not exist; create it and give it to the user that runs this", dir)
		return
	}
	if err := syscall.Access(dir, writeAndSearch); err != nil {
		v.add(Error, key, value, "%s cannot be created in %s (%v); give that directory to the user that runs this", what, dir, err)
	}
}

func (v *hostChecker) pgPass() {
	const key = "postgresql.pgpass"
	info, err := os.Stat(v.pg.PgPass)
	switch {
	case err == nil && !info.Mode().IsRegular():
		v.add(Error, key, v.pg.PgPass, "exists and is not a file; the agent writes passwords there")
	case err != nil:
		v.writable(key, v.pg.PgPass, filepath.Dir(v.pg.PgPass), "the password file")
	}
}

func (v *hostChecker) ports() {
	v.port("restapi.listen", v.local.RESTAPI.Listen)
	for host := range strings.SplitSeq(v.pg.ListenAddresses, ",") {
		if host == "*" {
			host = ""
		}
		v.port("postgresql.listen", joinAddress(strings.TrimSpace(host), v.pg.Port))
	}
}

func (v *hostChecker) port(key, address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		v.add(Error, key, address, "cannot be listened on (%v); stop what uses it, or set another address", err)
		return
	}
	_ = l.Close() // nothing was sent or received
}
