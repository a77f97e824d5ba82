package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A new plugin builds, passes the checks and can be configured; a program
// that is none fails them.
func TestPluginFromNewToListed(t *testing.T) {
	l := newLab(t)
	l.prepare(try{})
	source, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "pgregentctl-test-") // t.TempDir may lie where others can write
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	dir, program := filepath.Join(home, "hello"), filepath.Join(home, "hello.bin")
	if out, errs, code := l.run(t.Context(), "", "plugin", "new", "--source", source, "hello", dir); code != exitOK {
		t.Fatalf("new: exit %d\n%s%s", code, out, errs)
	}
	if _, errs, code := l.run(t.Context(), "", "plugin", "new", "hello", dir); code != exitFailed || !strings.Contains(errs, "exists already") {
		t.Errorf("a second one: exit %d %s", code, errs)
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	out, errs, code := l.run(t.Context(), "", "plugin", "test", "--settings", `{"greeting": "hi"}`, program)
	if code != exitOK || !strings.Contains(out, "ok      refuses a host of another version\n") || !strings.Contains(out, "skipped builds\n") {
		t.Errorf("test: exit %d\n%s%s", code, out, errs)
	}
	out, errs, code = l.run(t.Context(), "", "plugin", "test", "/bin/true")
	if code != exitFailed || !strings.Contains(out, "FAILED  tells what it is\n") {
		t.Errorf("test of /bin/true: exit %d\n%s%s", code, out, errs)
	}
	agent := filepath.Join(home, "agent.yml")
	config := "scope: plain\nname: n1\nrestapi: {listen: '127.0.0.1:8008'}\nzookeeper: {hosts: ['" + l.zk.Addr() + "']}\n" +
		"postgresql:\n  listen: 127.0.0.1:5432\n  data_dir: /data/n1\n  authentication: {replication: {username: r}, superuser: {username: p}}\n" +
		"plugins:\n  hello: {path: " + program + "}\n  broken: {path: " + program + ", settings: {colour: red}}\n"
	if err := os.WriteFile(agent, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = l.run(t.Context(), "", "-c", agent, "plugin", "list")
	works, broken := false, false
	for line := range strings.Lines(out) {
		works = works || strings.Contains(line, "| hello ") && strings.Contains(line, "| 0.1.0 ") && strings.Contains(line, "| callback ") && strings.Contains(line, "| works ")
		broken = broken || strings.Contains(line, "| broken ") && strings.Contains(line, "| cannot be used ")
	}
	if code != exitFailed || !works || !broken || !strings.Contains(errs, "colour") {
		t.Errorf("list: exit %d\n%s%s", code, out, errs)
	}
}
