package config

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packagedSamples are the configuration files of Debian's patroni package.
var packagedSamples = []string{
	"/usr/share/doc/patroni/examples/postgres*.yml*", "/etc/patroni/config.yml.in",
}

func readSample(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var etcdSection = regexp.MustCompile(`(?m)^etcd3?:\n((  .*)?\n)+`)

// TestPackagedSamples: the samples load, but for the store, with the values
// that they name.
func TestPackagedSamples(t *testing.T) {
	var files []string
	for _, pattern := range packagedSamples {
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	if len(files) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("Debian's patroni package is not installed")
		}
		t.Skip("Debian's patroni package is not installed; make test-deps does that")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := readSample(t, file)
			if strings.Contains(text, "\netcd") {
				_, _, err := Load("", []string{"PATRONI_CONFIGURATION=" + text})
				if err == nil || !strings.Contains(err.Error(), "this build speaks ZooKeeper") {
					t.Errorf("a file for etcd: got %v", err)
				}
			}
			text = etcdSection.ReplaceAllString(text, "zookeeper: {hosts: 'z:2181'}\n")
			text = strings.NewReplacer(
				"@DCS_CONFIG@", "zookeeper: {hosts: 'z:2181'}", "@VERSION@", "15", "@CLUSTER@", "main", "@HOSTNAME@", "h", "@HOSTIP@", "192.0.2.1",
				"@API_PORT@", "8008", "@PORT@", "5432", "@DATADIR_BASE@", "/var/lib/postgresql", "@NETWORK@", "192.0.2.0/24",
			).Replace(text)
			checkSample(t, text)
		})
	}
}

func checkSample(t *testing.T, text string) {
	t.Helper()
	l, findings, err := Load("", []string{"PATRONI_CONFIGURATION=" + text})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, f := range findings {
		if f.Key != "bootstrap.users" && f.Key != "bootstrap.method" && f.Key != "bootstrap.pg_createcluster" {
			t.Errorf("finding %v", f)
		}
	}
	p, warnings := l.Postgres(l.Bootstrap.DCS)
	if len(warnings) > 0 {
		t.Errorf("warnings %q", warnings)
	}
	settings, warnings := l.Settings(l.Bootstrap.DCS)
	if len(warnings) > 0 || !settings.UsePgRewind || settings.TTL.Seconds() != 30 {
		t.Errorf("settings %+v, warnings %q", settings, warnings)
	}
	if p.Replication.Password != "rep-pass" || !filepath.IsAbs(p.DataDir) || parameter(p.Parameters, "unix_socket_directories") == "" ||
		parameter(p.Controlled, "cluster_name") != l.Scope || len(p.PgHba)+len(l.Bootstrap.PgHba) == 0 {
		t.Errorf("got %+v", p)
	}
	if strings.Contains(text, "password:\n") && (!p.Superuser.HasPassword || p.Superuser.Password != "") {
		t.Error("a password of nothing must count as set, and be empty")
	}
}
