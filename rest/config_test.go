package rest

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestPatchConfig(t *testing.T) {
	for name, c := range map[string]struct {
		have, body string
		code       int
		want       string // the answer, or a part of it
	}{
		"replace and add":          {`{"ttl": 30, "z": 1}`, `{"ttl":20,"a":"é"}`, 200, `{"ttl": 20, "z": 1, "a": "\u00e9"}`},
		"remove":                   {`{"ttl": 30, "z": 1}`, `{"ttl": null, "none": null}`, 200, `{"z": 1}`},
		"merge":                    {`{"postgresql": {"parameters": {"a": 1, "b": 2}}}`, `{"postgresql": {"parameters": {"a": null, "c": 3}}}`, 200, `{"postgresql": {"parameters": {"b": 2, "c": 3}}}`},
		"null in a new object":     {`{}`, `{"new": {"a": null, "b": 1}}`, 200, `{"new": {"a": null, "b": 1}}`},
		"same text keeps the type": {`{"ttl": 20}`, `{"ttl": "20"}`, 200, `{"ttl": 20}`},
		"large integers stay":      {`{"n": 9007199254740993}`, `{"m": 1.0}`, 200, `{"n": 9007199254740993, "m": 1.0}`},
		"last of duplicate keys":   {`{}`, `{"a": 1, "a": 2}`, 200, `{"a": 2}`},
		"values are not checked":   {`{"ttl": 30}`, `{"ttl": "abc"}`, 200, `{"ttl": "abc"}`},
		"empty object":             {`{}`, `{}`, 400, "at least one key"},
		"not JSON":                 {`{}`, `{"a"`, 400, "not JSON"},
		"trailing text":            {`{}`, `{"a": 1} x`, 400, "not JSON"},
		"array":                    {`{}`, `[1]`, 400, "not a JSON object"},
		"null":                     {`{}`, `null`, 400, "not a JSON object"},
		"NaN":                      {`{}`, `{"a": NaN}`, 400, "not JSON"},
		"nested beyond reason":     {`{}`, `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400, "not JSON"},
		"larger than a znode":      {`{}`, `{"a": "` + strings.Repeat("x", maxBody) + `"}`, 413, "Error code: 413"},
		"no dynamic configuration": {``, `{"ttl": 20}`, 503, "Error code: 503"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.change(func(v *cluster.Cluster) {
				v.Config = cluster.DynamicConfig{Version: cluster.NoVersion}
				if c.have != "" {
					v.Config = cluster.DynamicConfig{Object: object(t, c.have), Version: 3}
				}
			})
			before := f.view.Config
			got := send(t, "PATCH", serve(t, Options{Backend: f}), "/config", c.body)
			if got.code != c.code || got.code == 200 && got.body != c.want || !strings.Contains(got.body, c.want) {
				t.Fatalf("got %d %q, want %d %q", got.code, got.body, c.code, c.want)
			}
			if got.code != 200 {
				return
			}
			if stored := f.view.Config; stored.Object.String() != object(t, c.want).String() {
				t.Errorf("got %s stored, want %s", stored.Object, c.want)
			} else if same := stored.Object.String() == before.Object.String(); same != (stored.Version == before.Version) {
				t.Errorf("got version %d after %d, same content %v", stored.Version, before.Version, same)
			}
			if f.wakes.Load() != 1 {
				t.Errorf("got %d wakes, want 1", f.wakes.Load())
			}
		})
	}
}

func TestConfigWriteErrors(t *testing.T) {
	for _, c := range []struct {
		method string
		err    error
		code   int
		want   string
	}{
		{"PATCH", cluster.ErrConflict, 409, "Error code: 409"},
		{"PATCH", cluster.ErrUnreachable, 503, "store unreachable"},
		{"PATCH", cluster.ErrOutcomeUnknown, 503, "outcome unknown"},
		{"PATCH", errors.New("<b>"), 503, "<b>"},
		{"PUT", cluster.ErrUnreachable, 502, "Error code: 502"},
	} {
		f := newFake(t)
		f.writes = c.err
		got := send(t, c.method, serve(t, Options{Backend: f}), "/config", `{"ttl": 25}`)
		if got.code != c.code || !strings.Contains(got.body, c.want) {
			t.Errorf("%s, %v: got %d %q, want %d %q", c.method, c.err, got.code, got.body, c.code, c.want)
		}
	}
}

func TestPutConfig(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	for _, c := range []struct {
		body, want string
		version    int32
	}{
		{`{"ttl":40,"x":null}`, `{"ttl": 40, "x": null}`, 8},
		{`{"ttl":  40, "x": null}`, `{"ttl": 40, "x": null}`, 8}, // nothing to write
		{`{"ttl": 41}`, `{"ttl": 41}`, 9},
	} {
		got := send(t, "PUT", address, "/config", c.body)
		if got.code != 200 || got.body != c.want || f.view.Config.Version != c.version {
			t.Errorf("%s: got %d %q version %d, want 200 %q version %d", c.body, got.code, got.body, f.view.Config.Version, c.want, c.version)
		}
	}
	f.change(func(v *cluster.Cluster) { v.Config = cluster.DynamicConfig{Version: cluster.NoVersion} })
	if got := send(t, "PUT", address, "/config", `{"ttl": 5}`); got.code != 200 || f.view.Config.Version != 0 {
		t.Errorf("created: got %d version %d, want 200 version 0", got.code, f.view.Config.Version)
	}
	if got := send(t, "PUT", address, "/config", `{}`); got.code != 400 {
		t.Errorf("empty object: got %d, want 400", got.code)
	}
	if f.wakes.Load() != 0 {
		t.Errorf("got %d wakes, want 0", f.wakes.Load())
	}
}

func TestFailsafeAndHistory(t *testing.T) {
	f := newFake(t)
	next := *f.node.Load()
	next.Cluster = &cluster.Cluster{
		Failsafe: map[string]string{"db2": "http://b:1/patroni", "db1": "http://a:1/patroni"},
		History:  cluster.History{{Timeline: 1, LSN: 4096, Reason: "no recovery target specified", At: "2026-03-01T08:00:00+00:00", NewLeader: "db1"}},
	}
	f.node.Store(&next)
	address := serve(t, Options{Backend: f})
	for path, want := range map[string]string{
		"/failsafe": `{"db1": "http://a:1/patroni", "db2": "http://b:1/patroni"}`,
		"/history":  `[[1, 4096, "no recovery target specified", "2026-03-01T08:00:00+00:00", "db1"]]`,
	} {
		if got := send(t, "GET", address, path, ""); got.code != 200 || got.body != want {
			t.Errorf("%s: got %d %q, want 200 %q", path, got.code, got.body, want)
		}
	}
}
