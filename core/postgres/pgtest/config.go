package pgtest

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/config"
)

// BinDir finds the newest PostgreSQL programs on this host.
func BinDir() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	version := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0 // not a version directory: last choice
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "postgres")); err == nil {
			return d, nil
		}
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errors.New("no PostgreSQL in /usr/lib/postgresql/*/bin or PATH")
	}
	return filepath.Dir(path), nil
}

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on, from below
// the range that the kernel gives to outgoing connections. No other test is
// given it before this one ends: the UDP port of that number is the mark.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 12500 + rand.IntN(2500)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		mark, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = mark.Close()
			continue
		}
		_ = l.Close()
		t.Cleanup(func() { _ = mark.Close() })
		return port
	}
	t.Fatal("no free port found")
	return 0
}

// Config makes a configuration for the member called name: 127.0.0.1 and a
// free port, sockets and an absent data directory in a new temporary
// directory, which is removed after the test, and three roles with passwords.
func Config(t testing.TB, name string) config.Postgres {
	t.Helper()
	bin, err := BinDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "n") // short: socket paths have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ReleaseShared(filepath.Join(dir, "data"))
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	port := FreePort(t)
	return config.Postgres{
		Scope: "demo", Name: name,
		ListenAddresses: "127.0.0.1", Port: port, ConnectHost: "127.0.0.1", ConnectPort: port,
		DataDir: filepath.Join(dir, "data"), BinDir: bin, PgPass: filepath.Join(dir, "pgpass"),
		UseUnixSocket: true, UseSlots: true, UsePgRewind: true,
		Superuser:   config.Credentials{Username: "postgres", Password: `su:per 's\ecret`, HasPassword: true},
		Replication: config.Credentials{Username: "replicator", Password: `re'pl:\ secret`, HasPassword: true},
		Rewind:      config.Credentials{Username: "rewinder", Password: "rewind secret", HasPassword: true},
		Controlled:  controlled(port),
		Parameters: []config.Parameter{
			{Name: "log_checkpoints", Value: "False"},
			{Name: "shared_buffers", Value: "16MB"},
			{Name: "unix_socket_directories", Value: dir},
			{Name: "wal_keep_size", Value: "128MB"},
		},
		PgHba: []string{
			"local all all scram-sha-256",
			"host all all 127.0.0.1/32 scram-sha-256",
			"local replication all scram-sha-256",
			"host replication all 127.0.0.1/32 scram-sha-256",
		},
		PgCtlTimeout: 60 * time.Second, RetryTimeout: 10 * time.Second,
	}
}

// controlled are the parameters of the command line, with their defaults.
func controlled(port int) []config.Parameter {
	return []config.Parameter{
		{Name: "listen_addresses", Value: "127.0.0.1"},
		{Name: "port", Value: strconv.Itoa(port)},
		{Name: "cluster_name", Value: "demo"},
		{Name: "wal_level", Value: "replica"},
		{Name: "hot_standby", Value: "on"},
		{Name: "max_connections", Value: "30"},
		{Name: "max_wal_senders", Value: "10"},
		{Name: "max_prepared_transactions", Value: "0"},
		{Name: "max_locks_per_transaction", Value: "64"},
		{Name: "track_commit_timestamp", Value: "off"},
		{Name: "max_replication_slots", Value: "10"},
		{Name: "max_worker_processes", Value: "8"},
		{Name: "wal_log_hints", Value: "on"},
	}
}
