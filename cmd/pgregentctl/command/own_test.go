package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
)

// noted is what the members of a cluster have noted of a failover that nobody
// was told of, and of a switchover with an operator's trace.
func noted() []record.Entry {
	start := time.Date(2026, 2, 28, 23, 59, 58, 250e6, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	lost, asked := record.Derive("7480000000000000002", "plain", 7), record.Derive("7480000000000000002", "plain", 9)
	trace, _ := record.ParseID("0af7651916cd43dd8448eb211c80319c")
	var list []record.Entry
	add := func(id, trace record.ID, e record.Entry, begin, end int) {
		e.ID, e.Trace, e.Begin = id, trace, at(begin)
		e.Span = id.Span(e.Member, string(e.Phase), e.Begin)
		if end > 0 {
			e.End = at(end)
		}
		list = append(list, e)
	}
	kill := func(e record.Entry, begin, end int) {
		e.Kind, e.Old, e.New = record.Failover, "n1", "n2"
		add(lost, lost, e, begin, end)
	}
	kill(record.Entry{Member: "n2", Phase: record.Detect, Cause: record.CauseNodeLost, Guess: true, Reason: "the leader's session ended; it does not answer", Rule: "lock-free"}, 0, 1900)
	kill(record.Entry{Member: "n2", Phase: record.Race, Rule: "lock-free", Reason: "no one leads, and no standby has more", LSN: 83886416, Events: []record.Event{
		{At: at(1950), Name: "peer", Facts: map[string]string{"member": "n1", "error": "connection refused"}},
	}}, 1905, 2010)
	kill(record.Entry{Member: "n2", Phase: record.Acquire}, 2010, 2031)
	kill(record.Entry{Member: "n2", Phase: record.Promote, Timeline: 5}, 2040, 2450)
	kill(record.Entry{Member: "n2", Phase: record.Change}, 0, 2455)
	kill(record.Entry{Member: "n1", Phase: "rewind", Err: "pg_rewind: no connection"}, 9000, 12000)
	kill(record.Entry{Member: "n1", Phase: record.Follow}, 12000, 0)
	order := func(e record.Entry, begin, end int) {
		e.Kind, e.Old, e.New, e.Cause, e.Reason = record.Switchover, "n2", "n1", record.CauseSwitchover, "asked for by ops"
		add(asked, trace, e, begin, end)
	}
	order(record.Entry{Member: "n2", Phase: record.HandOver}, 60000, 60100)
	order(record.Entry{Member: "n2", Phase: record.Demote}, 60100, 60400)
	order(record.Entry{Member: "n1", Phase: record.Acquire}, 60380, 60420)
	order(record.Entry{Member: "n1", Phase: record.Promote}, 60420, 60600)
	order(record.Entry{Member: "n1", Phase: record.Change}, 60000, 60600)
	return list
}

// toldBy are the answers of an agent that keeps the record.
func toldBy(t *testing.T, entries []record.Entry) map[string]answer {
	t.Helper()
	write := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	answers := map[string]answer{}
	stories := record.Merge(entries)
	for i, s := range stories {
		s.Missing("n3", "no answer within 2s")
		answers["GET /failovers/"+s.ID.String()] = answer{code: 200, text: write(s)}
		stories[i].Phases = nil
	}
	answers["GET /failovers"] = answer{code: 200, text: write(map[string]any{"failovers": stories, "missing": []map[string]string{{"member": "n3", "why": "no answer within 2s"}}})}
	answers["GET /explain"] = answer{code: 200, text: `[{"key": "ttl", "value": "60", "origin": "file", "file": "/etc/pgregent.yml", "line": 7, "note": "overrides 30 of the dynamic configuration"}]`}
	return answers
}

// TestOwnCommands keeps what the commands print that patronictl lacks.
func TestOwnCommands(t *testing.T) {
	l := newLab(t)
	answers := toldBy(t, noted())
	dir := t.TempDir()
	file := filepath.Join(dir, "failovers.jsonl")
	var lines bytes.Buffer
	for _, e := range noted() {
		text, _ := json.Marshal(e)
		lines.Write(append(text, '\n'))
	}
	agent := filepath.Join(dir, "agent.yml")
	for name, text := range map[string]string{
		file: lines.String() + `{"torn`,
		agent: "scope: plain\nname: n1\nrestapi: {listen: '127.0.0.1:8008'}\nzookeeper: {hosts: ['" + l.zk.Addr() + "']}\n" +
			"postgresql:\n  listen: 127.0.0.1:5432\n  data_dir: /data/n1\n  authentication: {replication: {username: r, password: s3cret}, superuser: {username: p, password: s3cret}}\n  parameters: {work_mem: 8MB}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trace := map[string]answer{"POST /switchover": {code: 200, text: `Successfully switched over to "n2"`, trace: true}, "POST /restart": {code: 200, trace: true}}
	for _, c := range []try{
		{name: "failovers", args: []string{"failovers", "--cluster", "plain"}, answers: answers},
		{name: "failovers-tsv", args: []string{"failovers", "--cluster", "plain", "-f", "tsv"}, answers: answers},
		{name: "failovers-json", args: []string{"failovers", "--cluster", "plain", "-f", "json"}, answers: answers},
		{name: "failovers-yaml", args: []string{"failovers", "--cluster", "plain", "-f", "yaml"}, answers: answers},
		{name: "failovers-last", args: []string{"failovers", "--cluster", "plain", "last"}, answers: answers},
		{name: "failovers-ambiguous", args: []string{"failovers", "--cluster", "plain", record.Derive("7480000000000000002", "plain", 7).String()[:6]}, answers: answers},
		{name: "failovers-one", args: []string{"failovers", "--cluster", "plain", record.Derive("7480000000000000002", "plain", 7).String()[:12]}, answers: answers},
		{name: "failovers-extended", args: []string{"failovers", "--cluster", "plain", "-e", record.Derive("7480000000000000002", "plain", 7).String()}, answers: answers},
		{name: "failovers-trace", args: []string{"failovers", "--cluster", "plain", "-f", "json", "0af7651916"}, answers: answers},
		{name: "failovers-files", args: []string{"failovers", "--cluster", "plain", "--from", file, record.Derive("7480000000000000002", "plain", 7).String()[:12]}},
		{name: "failovers-none", args: []string{"failovers", "--cluster", "plain"}, answers: map[string]answer{"GET /failovers": {code: 200, text: `{"failovers": [], "missing": []}`}}},
		{name: "failovers-unknown", args: []string{"failovers", "--cluster", "plain", "ffff"}, answers: answers},
		{name: "failovers-patroni", args: []string{"failovers", "--cluster", "plain"}, answers: map[string]answer{"GET /failovers": {code: 503, text: `{"state": "running"}`}}},
		{name: "explain", args: []string{"explain", "--cluster", "plain", "ttl"}, answers: answers},
		{name: "explain-json", args: []string{"explain", "--cluster", "plain", "-f", "json", "ttl"}, answers: answers},
		{name: "explain-file", args: []string{"explain", "--file", agent, "postgresql.parameters.work_mem"}},
		{name: "explain-file-dynamic", args: []string{"explain", "--file", agent, "loop_wait"}},
		{name: "explain-secret", args: []string{"explain", "--file", agent, "postgresql.authentication"}},
		{name: "explain-unknown", args: []string{"explain", "--file", agent, "no.such.key"}},
		{name: "explain-patroni", args: []string{"explain", "--cluster", "plain", "ttl"}, answers: map[string]answer{"GET /explain": {code: 503, text: "{}"}}},
		{name: "explain-refused", args: []string{"explain", "--cluster", "plain", "ttl"}, answers: map[string]answer{"GET /explain": {code: 403, text: "settings are told to loopback addresses only, because neither restapi.authentication nor restapi.identities is set"}}},
		{name: "explain-nothing", args: []string{"explain"}},
		{name: "plugin-nothing", args: []string{"plugin"}},
		{name: "plugin-list-no-file", args: []string{"plugin", "list"}},
		{name: "plugin-list-none", args: []string{"-c", agent, "plugin", "list"}},
		{name: "plugin-new-bad-name", args: []string{"plugin", "new", "No Name", filepath.Join(dir, "p")}},
		{name: "plugin-test-no-program", args: []string{"plugin", "test", "/nonexistent/plugin"}},
		{name: "trace-switchover", args: []string{"switchover", "plain", "--candidate", "n2", "--force"}, answers: trace},
		{name: "trace-restart", args: []string{"restart", "plain", "n1", "n2", "--force"}, answers: trace},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.prepare(c)
			out, errs, code := l.run(t.Context(), c.in, c.args...)
			text := strings.NewReplacer(dir, "DIR", l.zk.Addr(), "ZOOKEEPER").Replace(l.transcript(out, errs, code))
			golden(t, filepath.Join("testdata", c.name+".txt"), text)
		})
	}
}

// A terminal gets lines that fit, and the longest phase stands out.
func TestATimelineFitsTheScreen(t *testing.T) {
	l := newLab(t)
	l.prepare(try{answers: toldBy(t, noted())})
	terminal, screen := pseudoTerminal(t, 70)
	code := Run(t.Context(), Process{Args: []string{"-c", l.config, "failovers", "--cluster", "plain", "last"}, In: strings.NewReader(""), Out: terminal, Err: &strings.Builder{}, Environ: []string{"HOME=/nonexistent", "TERM=xterm"}, Now: clock})
	_ = terminal.Close()
	text := <-screen
	if code != exitOK || !strings.Contains(text, "\x1b[1m") {
		t.Errorf("exit %d, no emphasis in\n%s", code, text)
	}
	for line := range strings.Lines(regexp.MustCompile(`\x1b\[\d*m`).ReplaceAllString(text, "")) {
		if line = strings.TrimRight(line, "\r\n"); len(line) > 70 && strings.Contains(line, "|") {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
}

func TestCompletionProposesRecordsAndSettings(t *testing.T) {
	l := newLab(t)
	l.prepare(try{answers: toldBy(t, noted())})
	out, _, _ := l.run(t.Context(), "", "__complete", "failovers", "--cluster", "plain", "")
	if !strings.HasPrefix(out, "last\n") || !strings.Contains(out, record.Derive("7480000000000000002", "plain", 7).String()) {
		t.Errorf("got %s", out)
	}
	out, _, _ = l.run(t.Context(), "", "__complete", "explain", "postgresql.use_pg_re")
	if !strings.Contains(out, "postgresql.use_pg_rewind\t") {
		t.Errorf("got %s", out)
	}
}
