package command

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// dead is an address where nothing listens.
func dead(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func TestFaults(t *testing.T) {
	l := newLab(t)
	nobody := dead(t)
	carriedOut := func() {
		l.put("/service/plain/leader", "n2")
		l.put("/service/plain/failover", "{}")
	}
	for _, c := range []struct {
		try
		keys map[string]string
	}{
		{try: try{name: "fault-no-zookeeper", args: []string{"-d", "zookeeper://" + nobody, "list"}}},
		{try: try{name: "fault-no-store", args: []string{"-c", "/dev/null", "list", "x"}}},
		{try: try{name: "fault-no-file", args: []string{"-c", "/nonexistent", "list"}}},
		{try: try{name: "fault-other-store", args: []string{"-d", "etcd://" + nobody, "list"}}},
		{try: try{name: "fault-wrong-scope", args: []string{"status", "nope"}}},
		{try: try{name: "fault-agent-down", args: []string{"restart", "plain", "--force"}}, keys: map[string]string{"plain/members/n1": strings.ReplaceAll(seeds["plain/members/n1"], "API", "http://"+nobody+"/patroni")}},
		{try: try{name: "fault-no-agent", args: []string{"pause", "plain"}}, keys: map[string]string{
			"plain/members/n1": strings.ReplaceAll(seeds["plain/members/n1"], "API", "http://"+nobody+"/patroni"), "plain/members/n2": strings.ReplaceAll(seeds["plain/members/n2"], "API", "http://"+nobody+"/patroni"),
		}},
		{try: try{name: "fault-credentials", args: []string{"--strict", "reload", "plain", "n2", "--force"}, answers: map[string]answer{"POST /reload": {code: 401, text: "not authenticated"}}}},
		{try: try{name: "fault-no-leader", args: []string{"switchover", "idle", "--force"}}},
		{try: try{name: "fault-unknown-member", args: []string{"whatif", "--cluster", "plain", "n7"}}},
		{try: try{name: "fault-answer-lost-done", args: []string{"switchover", "plain", "--candidate", "n2", "--force"}, answers: map[string]answer{"POST /switchover": {hang: true, then: carriedOut}}}},
		{try: try{name: "fault-answer-lost-not-done", args: []string{"switchover", "plain", "--candidate", "n2", "--force"}, answers: map[string]answer{"POST /switchover": {hang: true}}}},
		{try: try{name: "fault-answer-lost-scheduled", args: []string{"switchover", "plain", "--candidate", "n2", "--scheduled", "2035-01-01T10:00Z", "--force"}, answers: map[string]answer{"POST /switchover": {hang: true, then: func() {
			l.put("/service/plain/failover", `{"leader":"n1","member":"n2","scheduled_at":"2035-01-01T10:00:00+00:00"}`)
		}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.prepare(c.try)
			for key, text := range c.keys {
				l.put("/service/"+key, text)
			}
			out, errs, code := l.run(t.Context(), c.in, c.args...)
			text := strings.NewReplacer("unreachable: not connected", "unreachable: no answer", nobody, "NOBODY", l.zk.Addr(), "ZOOKEEPER").Replace(l.transcript(out, errs, code) + l.written())
			golden(t, filepath.Join("testdata", c.name+".txt"), text)
		})
	}
}

// Somebody else writes while a person thinks about the change.
func TestConcurrentEdit(t *testing.T) {
	l := newLab(t)
	l.prepare(try{})
	in := &late{text: "y\n", before: func() { l.put("/service/plain/config", `{"ttl":60}`) }}
	var errs strings.Builder
	code := Run(t.Context(), Process{Args: []string{"-c", l.config, "edit-config", "plain", "-s", "ttl=50"}, In: in, Out: &strings.Builder{}, Err: &errs, Environ: []string{"HOME=/nonexistent"}, Now: clock})
	if code != exitFailed || !strings.Contains(errs.String(), "Config modification aborted due to concurrent changes") {
		t.Errorf("exit %d: %s", code, &errs)
	}
	if got := l.get("/service/plain/config"); got != `{"ttl":60}` {
		t.Errorf("the configuration is %s", got)
	}
}

// late is an input before which something happens.
type late struct {
	text   string
	before func()
}

func (l *late) Read(p []byte) (int, error) {
	if l.text == "" {
		return 0, io.EOF
	}
	l.before()
	n := copy(p, l.text)
	l.text = l.text[n:]
	return n, nil
}

// An interruption ends the watching, not the work: the request was sent.
func TestInterrupted(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	l.prepare(try{answers: map[string]answer{"POST /switchover": {code: 200, then: func() { cancel(); <-begun }}}})
	out, errs, code := l.run(ctx, "", "switchover", "plain", "--candidate", "n2", "--force")
	close(begun)
	if code != exitFailed || !strings.Contains(errs, "is not taken back") || !strings.Contains(errs, "Aborted!") {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	if got := l.get("/service/plain/failover"); got != "{}" {
		t.Errorf("the failover key says %s", got)
	}
}

// A question that is interrupted sends nothing.
func TestInterruptedQuestion(t *testing.T) {
	l := newLab(t)
	l.prepare(try{})
	ctx, cancel := context.WithCancel(t.Context())
	in := &silent{asked: cancel}
	code := Run(ctx, Process{Args: []string{"-c", l.config, "restart", "plain"}, In: in, Out: &strings.Builder{}, Err: &strings.Builder{}, Environ: []string{"HOME=/nonexistent"}, Now: clock})
	if code != exitFailed {
		t.Errorf("exit %d", code)
	}
	if got := l.transcript("", "", 0); strings.Contains(got, "asked") {
		t.Errorf("something was sent: %s", got)
	}
}

// silent is an input on which nothing comes.
type silent struct{ asked func() }

func (s *silent) Read([]byte) (int, error) {
	s.asked()
	select {}
}
