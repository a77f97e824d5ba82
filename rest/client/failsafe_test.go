package client

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestFailsafe(t *testing.T) {
	type reply struct {
		code    int
		body    string
		promise string
	}
	release := make(chan struct{})
	var seen string
	targets := map[string]string{"silent": agent(t, func(http.ResponseWriter, *http.Request) { <-release })}
	t.Cleanup(func() { close(release) })
	for name, r := range map[string]reply{
		"ours":       {200, "Accepted", "5.5"},
		"Patroni":    {200, "Accepted", ""},
		"leads":      {500, "Running as a leader", ""},
		"wordy":      {200, "Accepted\n", ""},
		"off":        {502, "", ""},
		"nonsense":   {200, "Accepted", "soon"},
		"no number":  {200, "Accepted", "NaN"},
		"no promise": {200, "Accepted", "0"},
	} {
		targets[name] = agent(t, func(w http.ResponseWriter, req *http.Request) {
			if user, password, _ := req.BasicAuth(); req.Method != http.MethodPost || req.URL.Path != "/failsafe" || user != "u" || password != "p" {
				t.Errorf("got %s %s of %q", req.Method, req.URL.Path, user)
			}
			if name == "ours" {
				body, _ := io.ReadAll(req.Body)
				seen = string(body)
			}
			if r.promise != "" {
				w.Header().Set("X-Pgregent-Promise", r.promise)
			}
			w.Header().Set("lsn", "77")
			w.WriteHeader(r.code)
			_, _ = io.WriteString(w, r.body)
		})
	}
	c := New(Options{Username: "u", Password: "p"})
	t.Cleanup(c.Close)
	f := FailsafeCall{Name: "a", ConnURL: "postgres://a/", APIURL: "http://a/patroni", Slots: map[string]cluster.LSN{"b": 2, "a": 1 << 60}}
	want := map[string]FailsafeAnswer{
		"ours":    {Name: "ours", Accepted: true, For: 5500 * time.Millisecond, LSN: 77},
		"Patroni": {Name: "Patroni", Accepted: true, LSN: 77},
	}
	refusals := map[string]string{
		"leads": "Running as a leader", "wordy": "answered 200", "off": "answered 502", "nonsense": "soon",
		"no number": "NaN", "no promise": "0", "silent": "no answer within 1s",
	}
	got := c.AskFailsafe(t.Context(), targets, f)
	if len(got) != len(targets) {
		t.Fatalf("got %d answers, want %d", len(got), len(targets))
	}
	for _, a := range got {
		if why, refused := refusals[a.Name]; refused && (a.Accepted || !strings.Contains(a.Err, why)) || !refused && a != want[a.Name] {
			t.Errorf("got %+v, want %+v or %q", a, want[a.Name], why)
		}
	}
	if want := `{"name":"a","conn_url":"postgres://a/","api_url":"http://a/patroni","slots":{"a":1152921504606846976,"b":2}}`; seen != want {
		t.Errorf("got body %s, want %s", seen, want)
	}
}
