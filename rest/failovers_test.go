package rest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/rest/client"
)

func note(member string, phase record.Phase, second int) record.Entry {
	id := record.Derive("1", "shop", 7)
	begin := time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC)
	return record.Entry{
		ID: id, Trace: id, Span: id.Span(member, string(phase), begin), Member: member, Phase: phase, Kind: record.Failover,
		Begin: begin, End: begin.Add(time.Second), Cause: record.CauseCrash, Reason: "it crashed",
	}
}

func recorded(peers ...PeerRecord) *Records {
	return &Records{
		Local: func() []record.Entry { return []record.Entry{note("db1", record.Release, 0)} },
		Peers: func(_ context.Context, members []cluster.Member) []PeerRecord {
			if len(members) != 2 || members[0].Name != "db2" {
				return nil
			}
			return peers
		},
	}
}

func TestFailoversMergeAllMembers(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t), Records: recorded(
		PeerRecord{Name: "db2", Entries: []record.Entry{note("db2", record.Promote, 1)}}, PeerRecord{Name: "db3", Err: "no answer"},
	)})
	get := func(path string, want int, into any) {
		t.Helper()
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("GET %s: %d %v, want %d: %s", path, resp.StatusCode, err, want, body)
		}
		if into != nil {
			if err := json.Unmarshal(body, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var list struct {
		Failovers []record.Story
		Missing   []map[string]string
	}
	get("/failovers", 200, &list)
	if len(list.Failovers) != 1 || list.Failovers[0].Seconds != 2 || list.Failovers[0].Phases != nil || list.Missing[0]["member"] != "db3" {
		t.Errorf("got %+v", list)
	}
	var story record.Story
	get("/failovers/"+list.Failovers[0].ID.String(), 200, &story)
	if len(story.Phases) != 2 || story.Cause != record.CauseCrash || strings.Join(story.Members, " ") != "db1 db2" {
		t.Errorf("got %+v", story)
	}
	if len(story.Gaps) != 1 || !strings.Contains(story.Gaps[0].Why, "db3") {
		t.Errorf("gaps %+v", story.Gaps)
	}
	var own []record.Entry
	get("/failovers/local", 200, &own)
	if len(own) != 1 || own[0].Member != "db1" {
		t.Errorf("got %+v", own)
	}
	get("/failovers/nonsense", 404, nil)
	get("/failovers/"+strings.Repeat("0", 32), 404, nil)
}

func TestFailoversWithoutAView(t *testing.T) {
	f := newFake(t)
	st := *f.node.Load()
	st.Cluster = nil
	f.node.Store(&st)
	s := New(Options{Backend: f, Records: recorded()})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/failovers", nil)
	s.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "cannot read ZooKeeper") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestTheClientReadsWhatTheServerWrites(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t), Records: recorded()})
	without := serve(t, Options{Backend: newFake(t)})
	answers := client.New(client.Options{}).Records(t.Context(), []cluster.Member{
		{Name: "a", Data: cluster.MemberData{APIURL: "http://" + address + "/patroni"}},
		{Name: "b", Data: cluster.MemberData{APIURL: "http://" + without + "/patroni"}},
		{Name: "c", Data: cluster.MemberData{APIURL: "smoke"}},
	})
	if len(answers[0].Entries) != 1 || answers[0].Entries[0].Phase != record.Release || answers[0].Err != "" {
		t.Errorf("got %+v", answers[0])
	}
	for _, a := range answers[1:] {
		if a.Err == "" || a.Entries != nil {
			t.Errorf("got %+v", a)
		}
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	seen := make(chan string, 10)
	address := serve(t, Options{Backend: newFake(t), Observe: func(route string, code int, _ time.Duration) {
		seen <- route + " " + http.StatusText(code)
	}})
	for path, want := range map[string]string{"/patroni/x/y?z=1": "/patroni OK", "/no-such-path": "other Service Unavailable", "/primary": "/primary OK"} {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := <-seen; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
