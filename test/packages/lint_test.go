package packages

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLintianIsSilent(t *testing.T) {
	full(t)
	dist := build(t, "v0.1.0", "first", "ARCHES=amd64 arm64")
	for _, arch := range []string{"amd64", "arm64"} {
		out := run(t, nil, "lintian", "--allow-root", "--fail-on", "none", one(t, dist, "*_"+arch+".deb"))
		for line := range strings.Lines(out) {
			if regexp.MustCompile("^[EW]:").MatchString(line) {
				t.Errorf("%s: %s", arch, line)
			}
		}
	}
}

// rpmlint unpacks with cpio, to where the names in the archive say: it must
// not have the right to.
func TestRpmlintIsSilent(t *testing.T) {
	full(t)
	if _, err := exec.LookPath("rpmlint"); err != nil {
		t.Skip("no rpmlint")
	}
	dist := build(t, "v0.1.0", "first", "ARCHES=amd64 arm64")
	for _, arch := range []string{"x86_64", "aarch64"} {
		dir := t.TempDir()
		built := one(t, dist, "*."+arch+".rpm")
		rpm := filepath.Join(dir, filepath.Base(built))
		run(t, nil, "cp", built, rpm)
		run(t, nil, "cp", repository+"/packaging/rpmlint.toml", dir)
		run(t, nil, "chown", "-R", "nobody", filepath.Dir(dir))
		out, err := try([]string{"HOME=" + dir}, "setpriv", "--reuid=nobody", "--clear-groups", "--regid=nogroup",
			"rpmlint", "-c", filepath.Join(dir, "rpmlint.toml"), rpm)
		if err != nil || !strings.Contains(out, "packages: 1") || !strings.Contains(out, " 0 errors, 0 warnings") {
			t.Errorf("%s: %v\n%s", arch, err, out)
		}
	}
}

// The table of what lies where, whose it is and who may read it: anything new
// has to be written down here.
func TestOwnersAndModes(t *testing.T) {
	full(t)
	dist := build(t, "v0.1.0", "first", "ARCHES=amd64 arm64")
	private := map[string]string{
		"/etc/pgregent":                     "drwxr-x--- postgres postgres",
		"/etc/pgregent/pgregent.env":        "-rw-r----- postgres postgres",
		"/etc/pgregent/pgregent.sample.yml": "-rw-r----- postgres postgres",
	}
	usual := regexp.MustCompile(`^(d|-)rwxr-xr-x root root$|^-rw-r--r-- root root$`)
	tables := map[string]map[string]string{"deb": {}, "rpm": {}}
	for line := range strings.Lines(run(t, nil, "dpkg-deb", "-c", one(t, dist, "*_amd64.deb"))) {
		f := strings.Fields(line)
		tables["deb"][strings.TrimRight(strings.TrimPrefix(f[5], "."), "/")] = f[0] + " " + strings.ReplaceAll(f[1], "/", " ")
	}
	for line := range strings.Lines(run(t, nil, "rpm", "-qp", "--nosignature", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]", one(t, dist, "*.x86_64.rpm"))) {
		f := strings.Fields(line)
		tables["rpm"][f[3]] = strings.Join(f[:3], " ")
	}
	for format, table := range tables {
		if len(table) < 30 {
			t.Errorf("%s: only %d files", format, len(table))
		}
		for path, got := range table {
			if want, is := private[path]; is && got != want || !is && !usual.MatchString(got) {
				t.Errorf("%s: %s is %s, want %s", format, path, got, want)
			}
		}
		for path := range private {
			if table[path] == "" {
				t.Errorf("%s: %s is missing", format, path)
			}
		}
	}
	for path := range tables["deb"] {
		onlyDeb := regexp.MustCompile("needrestart|lintian|vendor-completions").MatchString(path)
		if path != "" && strings.Contains(path, "pgregent") && !onlyDeb && tables["rpm"][path] == "" && path != "/usr/libexec/pgregent" {
			t.Errorf("%s is in the DEB only", path)
		}
	}
	if got := run(t, nil, "dpkg-deb", "-I", one(t, dist, "*_amd64.deb"), "conffiles"); strings.Count(got, "\n") < 3 {
		t.Errorf("conffiles: %s", got)
	}
	if got := run(t, nil, "rpm", "-qpc", "--nosignature", one(t, dist, "*.x86_64.rpm")); strings.Count(got, "\n") < 3 {
		t.Errorf("configuration files of the RPM: %s", got)
	}
	scripts := run(t, nil, "rpm", "-qp", "--nosignature", "--scripts", one(t, dist, "*.x86_64.rpm"))
	for _, want := range []string{"preinstall", "postinstall", "preuninstall", "postuninstall", "--signal=SIGUSR2"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("scripts of the RPM have no %s", want)
		}
	}
}
