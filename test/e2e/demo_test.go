package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// demoState is what scripts find in cluster.json.
type demoState struct {
	HAProxy struct {
		ReadWrite int `json:"read_write_port"`
	} `json:"haproxy"`
	Nodes []struct {
		Name    string `json:"name"`
		REST    string `json:"rest_url"`
		DataDir string `json:"data_dir"`
		Config  string `json:"config"`
		Pid     int    `json:"pid"`
	} `json:"nodes"`
}

// demo runs one command of the demonstration.
func demo(t *testing.T, root, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(root, "bin", "pgregent-demo"), append(args, dir)...)
	cmd.Dir = root
	// A file: a pipe would wait for the processes that stay.
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	text, _ := os.ReadFile(file.Name())
	if err != nil {
		t.Fatalf("demo %v: %v\n%s", args, err, text)
	}
	return string(text)
}

func TestDemoSurvivesWhatItsUserTries(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-C", root, "build", "bin/pgregent-demo").CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	dir, err := os.MkdirTemp("", "pgregent-demo-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "demo")
	t.Cleanup(func() {
		t.Log(demo(t, root, dir, "down"))
		_ = os.RemoveAll(filepath.Dir(dir))
	})
	t.Log(demo(t, root, dir, "up"))
	if again := demo(t, root, dir, "up"); !strings.Contains(again, "already") {
		t.Errorf("a second up says %q", again)
	}

	text, err := os.ReadFile(filepath.Join(dir, "cluster.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s demoState
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	l := lab.Attach(t, "demo")
	for _, n := range s.Nodes {
		l.AttachNode(n.Name, n.REST, n.DataDir, n.Config, n.Pid)
	}
	checkDemo(t, l, dir, s.HAProxy.ReadWrite)
}

// checkDemo writes through HAProxy while the cluster is broken in three ways.
func checkDemo(t *testing.T, l *lab.Lab, dir string, port int) {
	exec := func(sql string) { l.WaitHealthy(20 * time.Second).MustExec(sql) }
	exec("CREATE TABLE w (id bigint PRIMARY KEY, node text)")
	w := l.NewWriterAt(port, 1)
	w.AwaitMore(50, 20*time.Second)
	list := func() {
		t.Helper()
		out, err := patronictl(dir)
		if err != nil {
			t.Skip("patronictl is not installed; the rest has been checked: " + err.Error())
		}
		if count(out, "Leader") != 1 || count(out, "Replica") != 2 {
			t.Errorf("patronictl shows\n%s", out)
		}
		t.Logf("\n%s", out)
	}

	_ = syscall.Kill(l.Leader().Postmaster(), syscall.SIGKILL)
	w.AwaitMore(50, 30*time.Second)
	old := l.WaitHealthy(30 * time.Second)

	code, text, err := old.Call(http.MethodPost, "/switchover", `{"leader": `+strconv.Quote(old.Name)+`}`)
	if err != nil || code != 200 {
		t.Fatalf("switchover: %d %s %v", code, text, err)
	}
	w.AwaitMore(50, 30*time.Second)
	if now := l.WaitHealthy(30 * time.Second); now == old {
		t.Errorf("%s is still the leader", old.Name)
	}

	victim := l.Leader()
	victim.KillAll()
	w.AwaitMore(50, 60*time.Second) // the session of ttl 30 has to end first
	victim.StartAttached()
	now := l.WaitHealthy(60 * time.Second)
	w.Stop()
	if lost := w.Missing(now); len(lost) > 0 {
		t.Logf("%d acknowledged rows lost with the killed node (asynchronous replication)", len(lost))
	}
	list()
}

func patronictl(dir string) (string, error) {
	path, err := exec.LookPath("patronictl")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, "-c", filepath.Join(dir, "patronictl.yml"), "list").CombinedOutput()
	return string(out), err
}
