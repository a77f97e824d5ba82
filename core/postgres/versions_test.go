package postgres

import (
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// TestVersions has a column for each supported version, 13 to 18.
func TestVersions(t *testing.T) {
	want := map[feature]string{
		promoteTriggerFile:  "yyynnn",
		crlDirectory:        "nyyyyy",
		sslNegotiation:      "nnnnyy",
		reloadableRestore:   "nyyyyy",
		rewindConfigFile:    "nnyyyy",
		lazyCheckpoint:      "nnnyyy",
		forceParallelMode:   "yyynnn",
		debugParallelQuery:  "nnnyyy",
		traceRecovery:       "yyyynn",
		inPlaceTablespaces:  "nnyyyy",
		discardCaches:       "nyyyyy",
		removeTempFiles:     "nyyyyy",
		restrictRelationKnd: "nnnnyy",
	}
	if len(want) != len(versions) {
		t.Errorf("%d features are tested, there are %d", len(want), len(versions))
	}
	for f, columns := range want {
		got := ""
		for major := oldestVersion; major <= newestVersion; major++ {
			got += map[bool]string{true: "y", false: "n"}[has(major, f)]
		}
		if got != columns {
			t.Errorf("%s: got %s, want %s", f, got, columns)
		}
	}
	for _, major := range []int{12, 19} {
		if supported(major) == nil {
			t.Errorf("PostgreSQL %d is supported", major)
		}
	}
}

// TestConninfoOfEachVersion: a connection string has only words that the
// version's libpq knows.
func TestConninfoOfEachVersion(t *testing.T) {
	cfg := config.Postgres{Name: "n", PgPass: "/p", KrbSrvName: "pg", Replication: config.Credentials{
		Username: "r", HasPassword: true, Password: "s3cret", SSL: map[string]string{"sslcrldir": "/crl", "sslmode": "verify-full"},
	}}
	for major := oldestVersion; major <= newestVersion; major++ {
		got := primaryConninfo(cfg, cluster.Upstream{Host: "h", Port: 5432}, major)
		for part, since := range map[string]int{
			" sslcrldir=/crl": 14, " sslnegotiation=postgres": 17, " gssencmode=prefer": 12, " channel_binding=prefer": 13,
			" krbsrvname=pg": 0, " sslmode=verify-full": 0, "passfile=/p": 0, " application_name=n": 0,
		} {
			if strings.Contains(got, part) != (major >= since) {
				t.Errorf("PostgreSQL %d: %s; %q belongs there since %d", major, got, part, since)
			}
		}
		if strings.Contains(got, "s3cret") {
			t.Errorf("PostgreSQL %d: a password in %s", major, got)
		}
	}
}

// TestRecoverySettingsOfEachVersion: a standby gets no setting that its
// version does not know.
func TestRecoverySettingsOfEachVersion(t *testing.T) {
	cfg := config.Postgres{Name: "n", RecoveryConf: []config.Parameter{{Name: "promote_trigger_file", Value: "/x"}, {Name: "restore_command", Value: "false"}}}
	for major := oldestVersion; major <= newestVersion; major++ {
		list := recoverySettings(cfg, &cluster.Upstream{Host: "h", Port: 5432}, major)
		if _, got := parameter(list, "promote_trigger_file"); got != (major < 16) {
			t.Errorf("PostgreSQL %d: promote_trigger_file: %v", major, got)
		}
		for _, name := range []string{"restore_command", "primary_conninfo", "recovery_target_timeline"} {
			if _, got := parameter(list, name); !got {
				t.Errorf("PostgreSQL %d: no %s", major, name)
			}
		}
	}
}
