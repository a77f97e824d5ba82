package emit

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func object(t *testing.T, text string) *cluster.Object {
	t.Helper()
	o, err := cluster.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestYAML(t *testing.T) {
	got := YAML(object(t, `{"ttl": 30, "postgresql": {"pg_hba": ["host all all all md5", "x: y"], "parameters":
		{"on": "on", "n": "100", "null": null, "star": "*", "empty": "", "u": "grün", "b": true}}, "none": {}, "list": [], "deep": [[1, 2], {"a": 1, "b": [3]}]}`))
	want := `deep:
- - 1
  - 2
- a: 1
  b:
  - 3
list: []
none: {}
postgresql:
  parameters:
    b: true
    empty: ''
    n: '100'
    'null': null
    'on': 'on'
    star: '*'
    u: grün
  pg_hba:
  - host all all all md5
  - 'x: y'
ttl: 30
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFlow(t *testing.T) {
	got := Flow(object(t, `{"zone": "a", "clonefrom": true, "w": "a, b", "l": [1, "x"]}`))
	if want := `{clonefrom: true, l: [1, x], w: 'a, b', zone: a}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The reference implementation is asked in one process for all values.
const reference = `
import json, sys, yaml
for line in sys.stdin:
    v = json.loads(line)
    print(json.dumps([yaml.safe_dump(v, default_flow_style=False, encoding=None, allow_unicode=True, width=200), yaml.safe_dump(v, default_flow_style=True, allow_unicode=True, width=10**9).strip()]))
`

func TestAsPyYAML(t *testing.T) {
	if exec.Command("/usr/bin/python3", "-c", "import yaml").Run() != nil {
		t.Skip("PyYAML is not installed")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var in bytes.Buffer
	var values []*cluster.Object
	for range 800 {
		o := &cluster.Object{}
		o.Set(phrase(random, false), phrase(random, true))
		o.Set("list", []any{phrase(random, true), phrase(random, false), json.Number("7")})
		o.Set("deep", object(t, `{"k": [{"a": null, "b": [[]]}, {}]}`))
		values = append(values, o)
		in.WriteString(o.String() + "\n")
	}
	cmd := exec.Command("/usr/bin/python3", "-c", reference)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	bad := 0
	for i, line := range lines {
		var want [2]string
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		if got := YAML(values[i]); got != want[0] {
			t.Errorf("%s: got\n%s\nwant\n%s", values[i], got, want[0])
			bad++
		}
		// Ours stays on one line where theirs breaks it.
		if got := Flow(values[i]); got != want[1] && !strings.Contains(want[1], "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", values[i], got, want[1])
			bad++
		}
		if bad > 5 {
			t.FailNow()
		}
	}
}

// phrase is a text of pieces that are special somewhere.
func phrase(random *rand.Rand, long bool) string {
	pieces := []string{
		"a", "word", "on", "No", "12", "0x1F", "1.5", ":", ": ", " #", "#", "-", "- ", "'", `"`, "\\", "%f", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "?", "? ",
		"@", "`", "~", "null", "=", "<<", "2026-03-01", "2026-03-01T08:00:00+00:00", "1:30", ".", "_", " ", "é", "日本", "\t", "\x01", "\u00a0", "/usr/bin/cp %p /archive/%f",
	}
	if long {
		pieces = append(pieces, "\n", "\nx", " some words that go on and on")
	}
	n := 1 + random.IntN(5)
	if long && random.IntN(6) == 0 {
		n = 40
	}
	var b strings.Builder
	for range n {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}
