package packages

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// repository is the module's root, from this folder.
const repository = "../.."

// full skips a test that takes minutes or needs root, unless it was asked for.
func full(t *testing.T) {
	t.Helper()
	if os.Getenv("PGREGENT_PACKAGES") == "" {
		t.Skip("builds packages: run make test-packages")
	}
}

// run runs a program and returns what it wrote; the test ends if it fails.
func run(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	out, err := try(env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// keep is where lies what several tests use: packages, and the Debian of the
// machines. PGREGENT_PACKAGES_KEEP is a directory in which it also stays.
var keep = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("PGREGENT_PACKAGES_KEEP"); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	return os.MkdirTemp("", "pgregent-packages-")
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := keep(); err == nil && os.Getenv("PGREGENT_PACKAGES_KEEP") == "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// build makes the packages of a version, for one architecture, once.
func build(t *testing.T, version, dir string, env ...string) string {
	t.Helper()
	base, err := keep()
	if err != nil {
		t.Fatal(err)
	}
	dist := filepath.Join(base, dir)
	if _, err := os.Stat(filepath.Join(dist, "SHA256SUMS")); err == nil {
		return dist
	}
	nfpm := os.Getenv("NFPM")
	if nfpm == "" {
		t.Fatal("NFPM is not set: run make test-packages")
	}
	env = append([]string{
		"VERSION=" + version, "DIST=" + dist, "SOURCE_DATE_EPOCH=1800000000",
		"LDFLAGS=-s -w -X main.version=" + version,
	}, env...)
	if !slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, "ARCHES=") }) {
		env = append(env, "ARCHES=amd64")
	}
	run(t, env, repository+"/packaging/build.sh")
	return dist
}

// one is the only file of that pattern.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(found) != 1 {
		t.Fatalf("%s in %s: found %v, want one", pattern, dir, found)
	}
	return found[0]
}

func TestTwoBuildsHaveTheSameBytes(t *testing.T) {
	full(t)
	first := build(t, "v0.1.0", "first", "ARCHES=amd64 arm64")
	second := build(t, "v0.1.0", "second", "ARCHES=amd64 arm64")
	names, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 7 { // two of each kind, and the checksums
		t.Errorf("found %v, want two DEB, two RPM, two module lists and SHA256SUMS", names)
	}
	for _, n := range names {
		a, errA := os.ReadFile(filepath.Join(first, n.Name()))
		b, errB := os.ReadFile(filepath.Join(second, n.Name()))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%v, %v)", n.Name(), errA, errB)
		}
	}
	cmd := exec.Command("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	cmd.Dir = first
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("checksums: %v\n%s", err, out)
	}
}

// The list of modules names exactly what the shipped program says that it
// consists of.
func TestModuleListIsComplete(t *testing.T) {
	full(t)
	dist := build(t, "v0.1.0", "first", "ARCHES=amd64 arm64")
	root := t.TempDir()
	run(t, nil, "dpkg-deb", "-x", one(t, dist, "*_amd64.deb"), root)
	var doc struct {
		Components []struct {
			Name, Version string
			Licenses      []any
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "usr/share/doc/pgregent/pgregent.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, c := range doc.Components {
		listed[c.Name+" "+c.Version] = true
		if len(c.Licenses) == 0 {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	licences := run(t, nil, "zcat", filepath.Join(root, "usr/share/doc/pgregent/LICENCES.gz"))
	programs, _ := filepath.Glob(filepath.Join(root, "usr/bin/*"))
	modules := 0
	for _, program := range programs {
		for line := range strings.Lines(run(t, nil, "go", "version", "-m", program)) {
			f := strings.Fields(line)
			if len(f) < 3 || f[0] != "dep" {
				continue
			}
			modules++
			if !listed[f[1]+" "+f[2]] {
				t.Errorf("%s of %s is not in the module list", f[1], filepath.Base(program))
			}
			if !strings.Contains(licences, f[1]+" "+f[2]) {
				t.Errorf("%s of %s has no licence text", f[1], filepath.Base(program))
			}
		}
	}
	if modules < 10 {
		t.Errorf("go version -m listed %d modules: nothing was compared", modules)
	}
	if out := run(t, nil, filepath.Join(root, "usr/bin/pgregent"), "--version"); !strings.Contains(out, "v0.1.0") || !strings.Contains(out, "go1.") {
		t.Errorf("--version says %q, want version and Go version", out)
	}
}

// The key is made for this test and thrown away.
func TestSignaturesAreTheDistributionsOwn(t *testing.T) {
	full(t)
	home := t.TempDir()
	env := []string{"GNUPGHOME=" + home}
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, env, "gpg", "--batch", "--passphrase", "", "--quick-generate-key", "throw-away <test@pgregent.invalid>", "rsa3072", "sign", "1d")
	secret, public := filepath.Join(home, "secret.asc"), filepath.Join(home, "public.asc")
	run(t, env, "gpg", "--batch", "--armor", "--output", secret, "--export-secret-keys")
	run(t, env, "gpg", "--batch", "--armor", "--output", public, "--export")
	dist := build(t, "v0.1.0", "signed", "PKG_SIGN_KEY="+secret, "GNUPGHOME="+home)

	rpm := one(t, dist, "*.rpm")
	db := t.TempDir()
	if out, err := try(nil, "rpmkeys", "--dbpath", db, "--checksig", rpm); err == nil && !strings.Contains(out, "NOT OK") {
		t.Errorf("the RPM is well without the key: %s", out)
	}
	run(t, nil, "rpmkeys", "--dbpath", db, "--import", public)
	if out := run(t, nil, "rpmkeys", "--dbpath", db, "--checksig", rpm); !strings.Contains(out, "signatures OK") {
		t.Errorf("RPM with the key: %s", out)
	}

	// debsig-verify wants a policy for each key.
	id := ""
	for line := range strings.Lines(run(t, env, "gpg", "--batch", "--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" && id == "" {
			id = f[9][len(f[9])-16:]
		}
	}
	rings, policies := filepath.Join(home, "rings", id), filepath.Join(home, "policies", id)
	for _, dir := range []string{rings, policies} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, env, "gpg", "--batch", "--output", filepath.Join(rings, "key.gpg"), "--export")
	policy := `<?xml version="1.0"?><!DOCTYPE Policy SYSTEM "https://www.debian.org/debsig/1.0/policy.dtd">
<Policy xmlns="https://www.debian.org/debsig/1.0/"><Origin Name="pgregent" id="` + id + `" Description="test"/>
<Selection><Required Type="origin" File="key.gpg" id="` + id + `"/></Selection>
<Verification MinOptional="0"><Required Type="origin" File="key.gpg" id="` + id + `"/></Verification></Policy>`
	if err := os.WriteFile(filepath.Join(policies, "pgregent.pol"), []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	check := []string{"--policies-dir", filepath.Dir(policies), "--keyrings-dir", filepath.Dir(rings)}
	run(t, env, "debsig-verify", append(check, one(t, dist, "*.deb"))...)
	unsigned := build(t, "v0.1.0", "first", "ARCHES=amd64 arm64")
	if out, err := try(env, "debsig-verify", append(check, one(t, unsigned, "*_amd64.deb"))...); err == nil {
		t.Errorf("a DEB without a signature passes: %s", out)
	}
	run(t, env, "gpg", "--batch", "--verify", filepath.Join(dist, "SHA256SUMS.asc"), filepath.Join(dist, "SHA256SUMS"))
}
