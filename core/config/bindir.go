package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// programs are the PostgreSQL programs that the agent runs. pg_rewind is
// needed only with use_pg_rewind.
var programs = []string{"postgres", "initdb", "pg_ctl", "pg_controldata", "pg_basebackup", "pg_isready"}

// packageDirs are where packages put the programs of each major version:
// Debian's, and the PGDG's for Red Hat.
var packageDirs = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"}

// Program returns the path of a PostgreSQL program: in BinDir, or just its
// name, to be found on PATH, if that is "".
func (p Postgres) Program(name string) string {
	if other := p.BinName[name]; other != "" {
		name = other
	}
	return filepath.Join(p.BinDir, name)
}

// findBinDir returns where the programs are when bin_dir does not say: "" if
// all are on PATH, else the newest package's directory, of the data
// directory's version if that exists already.
func findBinDir(p Postgres, path string) string {
	if len(missingPrograms(p, path)) == 0 {
		return ""
	}
	version := dataVersion(p.DataDir)
	best, bestMajor := "", 0
	for _, pattern := range packageDirs {
		dirs, _ := filepath.Glob(pattern) // the only error is a bad pattern
		for _, dir := range dirs {
			p.BinDir = dir
			major := majorOf(dir)
			if len(missingPrograms(p, path)) > 0 || version != 0 && major != version {
				continue
			}
			if major > bestMajor {
				best, bestMajor = dir, major
			}
		}
	}
	return best
}

// missingPrograms names the programs that are not where p says.
func missingPrograms(p Postgres, path string) []string {
	needed := programs
	if p.UsePgRewind {
		needed = append(needed[:len(needed):len(needed)], "pg_rewind")
	}
	var missing []string
	for _, name := range needed {
		if program := p.Program(name); !executable(program, path) {
			missing = append(missing, filepath.Base(program))
		}
	}
	return missing
}

// executable reports whether program, a path or a name on the given PATH,
// can be run by somebody.
func executable(program, path string) bool {
	candidates := []string{program}
	if !strings.Contains(program, "/") {
		candidates = nil
		for _, dir := range filepath.SplitList(path) {
			candidates = append(candidates, filepath.Join(dir, program))
		}
	}
	for _, c := range candidates {
		if info, err := os.Stat(c); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// dataVersion is the major version in PG_VERSION, 0 if there is none.
func dataVersion(dataDir string) int {
	text, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text))) // 0: not a version
	return n
}

// majorOf is the version in a package directory's name, 0 if there is none.
func majorOf(dir string) int {
	name := strings.TrimPrefix(filepath.Base(filepath.Dir(dir)), "pgsql-")
	n, _ := strconv.Atoi(name)
	return n
}

// ProgramDir returns where PostgreSQL's programs are on this host, "" if they
// are on the PATH of environ: what bin_dir would be if nobody set it.
func ProgramDir(environ []string) string {
	for _, prefix := range []string{nativePrefix, patroniPrefix} {
		if dir := environment(environ, prefix)["POSTGRESQL_BIN_DIR"]; dir != "" {
			return dir
		}
	}
	return findBinDir(Postgres{}, envValue(environ, "PATH"))
}
