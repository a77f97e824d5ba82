package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An RPM installs, upgrades and goes by rpm's own hand, its scripts run in a
// root of their own: a copy of the Debian, since no Red Hat system is here.
// What a service manager does with it is the DEB's test: unit and scripts are
// the same files.
func TestRPMComesAndGoes(t *testing.T) {
	full(t)
	if os.Geteuid() != 0 {
		t.Fatal("a root of its own needs root")
	}
	first := one(t, build(t, "v0.1.0", "first", "ARCHES=amd64 arm64"), "*.x86_64.rpm")
	next := one(t, build(t, "v0.2.0", "nextrpm", "FORMATS=rpm"), "*.rpm")
	place := t.TempDir()
	steps := `
	mount --make-rprivate /
	mount -t tmpfs tmpfs "$4"; mkdir "$4/upper" "$4/work" "$4/root"; root=$4/root
	mount -t overlay -o "lowerdir=$3,upperdir=$4/upper,workdir=$4/work" overlay "$root"
	deluser() { chroot "$root" userdel postgres; }
	deluser
	rpm="rpm --root $root --nosignature --nodeps"
	rpm --root "$root" --initdb
	$rpm --install "$1"
	chroot "$root" stat -c '%A %U %G %n' /etc/pgregent /etc/pgregent/pgregent.env /usr/libexec/pgregent/plugins
	chroot "$root" /usr/bin/pgregent --version
	echo '# mine' >>"$root/etc/pgregent/pgregent.env"; echo mine >"$root/etc/pgregent/pgregent.yml"
	mkdir -p "$root/var/lib/pgsql/data"; echo 15 >"$root/var/lib/pgsql/data/PG_VERSION"
	$rpm --upgrade "$2"
	chroot "$root" /usr/bin/pgregent --version
	tail -n 1 "$root/etc/pgregent/pgregent.env"
	$rpm --upgrade --oldpackage "$1"
	chroot "$root" /usr/bin/pgregent --version
	$rpm --verify pgregent || echo "verified but for what was changed"
	$rpm --erase pgregent
	cat "$root/etc/pgregent/pgregent.yml" "$root/var/lib/pgsql/data/PG_VERSION"
	chroot "$root" getent passwd postgres
	ls "$root/usr/bin/pgregent" 2>&1 || :`
	out := run(t, nil, "unshare", "--mount", "sh", "-euc", steps, "sh", first, next, debian(t), place)
	at := 0
	for _, want := range []string{
		"drwxr-x--- postgres postgres /etc/pgregent\n", "-rw-r----- postgres postgres /etc/pgregent/pgregent.env\n",
		"drwxr-xr-x root root /usr/libexec/pgregent/plugins\n", "v0.1.0", "v0.2.0", "# mine\n", "v0.1.0",
		"mine\n15\n", "postgres:x:", "No such file",
	} {
		i := strings.Index(out[at:], want)
		if i < 0 {
			t.Fatalf("no %q, in its place, in\n%s", want, out)
		}
		at += i
	}
	if strings.Contains(out, "warning: user postgres does not exist") {
		t.Errorf("files were unpacked before their owner was there:\n%s", out)
	}
	if left, _ := filepath.Glob(filepath.Join(place, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
