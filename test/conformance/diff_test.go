package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/test/lab"
)

// answer is what is compared of one request.
type answer struct {
	code int
	// shape has the type of each JSON key, by its path; nil without JSON.
	shape map[string]string
	// text is the body of an order that is answered in words.
	text string
}

// explained are the differences to Patroni 3.0.2, as they are printed, with
// what rest/README.md says of them.
var explained = []struct{ pattern, why string }{
	{`^\w+ /(read-only-)?quorum `, "quorum checks are of 4.0"},
	{`^(HEAD|OPTIONS) /(liveness|readiness)`, "the real code instead of a constant 503"},
	{`^GET /readiness`, "readiness is 4.1's: a standby must stream"},
	{`: \.pgregent\b`, "why a node does what it does"},
	{`: \.patroni\.name: `, "4.x"},
	{`: \.replication_state: ours string, Patroni $`, "3.0.4 and later"},
	{`^GET /cluster .*: \.scope: `, "4.x"},
	{`^GET /cluster .*: \.members\[\]\.(receive_|replay_)?(lsn|lag): ours (string|float64), Patroni $`, "4.1"},
	{`^GET /cluster \[[NTX]\]: \.members\[\]\.lag: ours (string|float64), Patroni (string|float64)$`, "the lag of a member without position is unknown; the last row of several tells the type"},
	{`: \.logger_queue_size: ours has none`, "there is no queue of log lines"},
	{`^GET /(cluster|config|history)(/\S*)? \[[YZ]\]: ours 503 "", Patroni 0 "no answer"`, "without ZooKeeper there is an answer"},
	{`^GET /failsafe \[[YZ]\]: ours 503`, "without ZooKeeper it is not known whether there is a failsafe key"},
	{`^POST /restart \{"role": "boss"\}`, "the sentence of 4.1"},
	{`\[[NYZ]\]: \.replication`, "who streams from whom without a leader depends on the moment"},
	{`\[[NYZ]\]: \.xlog\.replayed_timestamp: `, "null until a transaction was replayed"},
}

// TestDifferences compares with Patroni. It takes minutes: "make rest-diff".
func TestDifferences(t *testing.T) {
	if os.Getenv("PGREGENT_REST_DIFF") == "" {
		t.Skip("compares with Patroni for minutes; make rest-diff sets PGREGENT_REST_DIFF")
	}
	patroni := lab.Patroni(t)
	ours, theirs := collect(t, ""), collect(t, patroni)
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		other, ok := theirs[key]
		if !ok {
			t.Errorf("%s: not asked of Patroni", key)
			continue
		}
		lines = append(lines, compare(key, ours[key], other)...)
	}
	sort.Strings(lines)
	t.Logf("%d requests compared, differences:\n%s", len(ours), strings.Join(lines, "\n"))
	for _, l := range lines {
		if !known(l) {
			t.Errorf("not explained: %s", l)
		}
	}
}

// collect asks agents of one program in all states. Keys are "request, state".
func collect(t *testing.T, program string) map[string]answer {
	t.Helper()
	out := map[string]answer{}
	visit(t, program, func(state rune, n *lab.Node) {
		add := func(method, path, body string) {
			code, text, err := n.Call(method, path, strings.ReplaceAll(body, "LEADER", n.Name))
			a := answer{code: code}
			if err != nil {
				a.text = "no answer"
			}
			if v := any(nil); json.Unmarshal([]byte(text), &v) == nil {
				a.shape = map[string]string{}
				shape("", v, a.shape)
			} else if body != "" && !strings.Contains(text, "<") {
				a.text = text
			}
			key := method + " " + path
			if body != "" {
				key += " " + body
			}
			out[fmt.Sprintf("%s [%c]", key, state)] = a
		}
		for _, c := range checks {
			if strings.ContainsRune(c.open, state) {
				continue
			}
			for path := range strings.FieldsSeq(c.paths) {
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					add(method, path, "")
				}
			}
		}
		for _, r := range reads {
			if r.path != "/openapi.json" && r.path != "/whatif" {
				add(r.method, r.path, "")
			}
		}
		if state == leading {
			for _, o := range orders {
				add(o.method, o.path, o.body)
			}
		}
	})
	return out
}

// shape notes the type of every key. Members are one: their keys are
// gathered.
func shape(at string, v any, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		out[at] = "object"
		for k, e := range v {
			shape(at+"."+k, e, out)
		}
	case []any:
		out[at] = "array"
		for _, e := range v {
			shape(at+"[]", e, out)
		}
	case nil:
		out[at] = "null"
	default:
		out[at] = fmt.Sprintf("%T", v)
	}
}

func compare(key string, ours, theirs answer) []string {
	var out []string
	if ours.code != theirs.code || ours.text != theirs.text {
		out = append(out, fmt.Sprintf("%s: ours %d %q, Patroni %d %q", key, ours.code, ours.text, theirs.code, theirs.text))
	}
	if ours.shape == nil || theirs.shape == nil {
		return out
	}
	for _, k := range slices.Sorted(maps.Keys(ours.shape)) {
		if a, b := ours.shape[k], theirs.shape[k]; a != b {
			out = append(out, fmt.Sprintf("%s: %s: ours %s, Patroni %s", key, k, a, b))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(theirs.shape)) {
		if _, ok := ours.shape[k]; !ok {
			out = append(out, fmt.Sprintf("%s: %s: ours has none, Patroni %s", key, k, theirs.shape[k]))
		}
	}
	return out
}

func known(line string) bool {
	for _, e := range explained {
		if regexp.MustCompile(e.pattern).MatchString(line) {
			return true
		}
	}
	return false
}
