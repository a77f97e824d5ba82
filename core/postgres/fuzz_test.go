package postgres

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func FuzzParseControlData(f *testing.F) {
	f.Add("Database cluster state:               in production\nLatest checkpoint location:           0/3000060\n")
	f.Add("Current wal_level setting: replica\nmax_connections setting: 18446744073709551616\n:\n::")
	f.Fuzz(func(t *testing.T, text string) {
		d := parseControlData(text)
		_ = d.control()
		if d.number("max_connections setting") > 0 && !strings.Contains(text, "max_connections setting") {
			t.Error("a number that is not there")
		}
	})
}

func FuzzParseControlHead(f *testing.F) {
	f.Add(make([]byte, 512))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) >= controlHeadSize {
			_ = parseControlHead([controlHeadSize]byte(b[:controlHeadSize])).State.String()
		}
	})
}

func FuzzParseTimelineHistory(f *testing.F) {
	f.Add("1\t0/3000000\tno recovery target specified\n\n# x\n2\t0/4000000\tbefore 2000-01-01\n")
	f.Add("1\t0/3000000\n4294967296\t0/1\tx")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHistory(text)
		if err != nil {
			return
		}
		if len(h) > strings.Count(text, "\n")+1 {
			t.Errorf("%d rows of %q", len(h), text)
		}
	})
}

func FuzzParsePidFile(f *testing.F) {
	f.Add("123\n/data\n1700000000\n5432\n/tmp\nlocalhost\n  12 3\nready   \n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePidFile(text); err == nil && p.Pid == 0 {
			t.Error("process 0")
		}
	})
}

// FuzzConninfo: whatever is in a value, both forms of a connection string
// read back as the same words.
func FuzzConninfo(f *testing.F) {
	f.Add(`it's a \ "pass" %word`, "höst")
	f.Add("", "a'b")
	f.Add(`\`, ` `)
	f.Fuzz(func(t *testing.T, password, host string) {
		if strings.ContainsAny(password+host, "\x00\t\n\r\v\f") || !utf8.ValidString(password+host) {
			return // cannot be in a connection string of a configuration file
		}
		words := []word{{"password", password}, {"host", host}}
		for name, text := range map[string]string{"quoted": conninfo(words), "bare": bareConninfo(words)} {
			got := parseConninfo(text)
			if got["password"] != password || got["host"] != host || len(got) != 2 {
				t.Errorf("%s: %q reads as %q", name, text, got)
			}
		}
	})
}

func FuzzParseConninfo(f *testing.F) {
	f.Add(`host=a port=5432 user='x y' password=\'`)
	f.Fuzz(func(_ *testing.T, text string) { _ = parseConninfo(text) })
}

// FuzzPassFile: one line for each entry, whatever is in a password.
func FuzzPassFile(f *testing.F) {
	f.Add("host", "user", `p:a\ss`)
	f.Fuzz(func(t *testing.T, host, user, password string) {
		if strings.ContainsAny(host+user+password, "\n\r\x00") || strings.HasPrefix(host, "/") {
			return
		}
		text := passFile([]passEntry{{host, 5432, config.Credentials{Username: user, Password: password, HasPassword: true}}})
		fields := splitPass(strings.TrimSuffix(text, "\n"))
		if user == "" {
			user = "*"
		}
		if len(fields) != 5 || fields[0] != host || fields[3] != user || fields[4] != password {
			t.Errorf("%q reads as %q", text, fields)
		}
	})
}

// splitPass reads a line of a password file as libpq does.
func splitPass(line string) []string {
	fields := []string{""}
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			i++
			fields[len(fields)-1] += line[i : i+1]
		case line[i] == ':' && len(fields) < 5:
			fields = append(fields, "")
		default:
			fields[len(fields)-1] += line[i : i+1]
		}
	}
	return fields
}

func FuzzParseDescribeConfig(f *testing.F) {
	f.Add("work_mem\tuser\tg\tINTEGER\t4096\t64\t2147483647\td\td\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, g := range parseDescribeConfig(text) {
			if p, _ := g.check(config.Parameter{Name: name, Value: "1"}); p != nil && p.Name != name {
				t.Error("a check renames a parameter")
			}
		}
	})
}

func FuzzParseRefusals(f *testing.F) {
	f.Add("2026-01-01 GMT [1] LOG:  invalid value for parameter \"work_mem\": \"x\"\nHINT:  Valid units are \"kB\".\n")
	list := []config.Parameter{{Name: "work_mem", Value: "x"}, {Name: "fsync", Value: "y"}}
	f.Fuzz(func(t *testing.T, said string) {
		if got := parseRefusals(said, list); len(got) > len(list) {
			t.Errorf("got %v", got)
		}
	})
}

func FuzzParseLSN(f *testing.F) {
	f.Add("0/3000060")
	f.Add("FFFFFFFF/FFFFFFFF")
	f.Fuzz(func(t *testing.T, text string) {
		lsn, err := cluster.ParseLSN(text)
		if err != nil {
			return
		}
		if again, err := cluster.ParseLSN(lsn.String()); err != nil || again != lsn {
			t.Errorf("%q reads as %v, then as %v (%v)", text, lsn, again, err)
		}
	})
}

// FuzzConfLine: whatever is in a value, a line of postgresql.conf stays one
// line and its name and quotes are ours.
func FuzzConfLine(f *testing.F) {
	f.Add("it's \\ a\nvalue # x")
	f.Fuzz(func(t *testing.T, value string) {
		quoted := quoteValue(value)
		inner := strings.TrimSuffix(strings.TrimPrefix(quoted, "'"), "'")
		inner = strings.NewReplacer(`\\`, "", "''", "", `\n`, "", `\r`, "").Replace(inner)
		if strings.ContainsAny(quoted, "\n\r") || strings.ContainsAny(inner, `'\`) {
			t.Errorf("%q is written as %s", value, quoted)
		}
	})
}

// FuzzHBALines: what was read of a pg_hba.conf and is written again reads the
// same.
func FuzzHBALines(f *testing.F) {
	f.Add("# comment\nlocal all all trust\n\n  host all \"a b\" 10.0.0.0/8 scram-sha-256 # end\n")
	f.Add("host all all ::1/128 reject\r\n#\n@include x")
	f.Fuzz(func(t *testing.T, text string) {
		lines := significant(text)
		for _, line := range lines {
			if line == "" || line[0] == '#' || strings.Contains(line, "\n") {
				t.Errorf("%q has the line %q", text, line)
			}
		}
		again := significant(doNotEdit + strings.Join(lines, "\n") + "\n")
		if !slices.Equal(again, lines) {
			t.Errorf("%q reads as %q, then as %q", text, lines, again)
		}
	})
}

// FuzzParseStat: no name of a process confuses what follows it.
func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) b) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 0 0"))
	f.Add([]byte("12 (x"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseStat(12, text) })
}

// FuzzParseSenders reads rows of pg_stat_replication as the server sends them.
func FuzzParseSenders(f *testing.F) {
	f.Add([]byte(`[{"usename": "r", "application_name": "a", "state": "streaming", "sync_state": "async", "sync_priority": 0}]`))
	f.Add([]byte(`[null, {"client_addr": 1}]`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseSenders(text) })
}
