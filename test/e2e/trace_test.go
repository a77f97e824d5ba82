package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/test/lab"
	"github.com/pgregent/pgregent/test/otlp"
)

// traced is a cluster whose agents send spans to a sink.
func traced(t *testing.T, dcs string) (*run, *otlp.Sink) {
	t.Helper()
	t.Parallel()
	sink := otlp.Start(t)
	l := lab.New(t, lab.Options{DCS: dcs, Node: func(name string) string {
		protocol, url := "grpc", sink.GRPC
		if strings.HasSuffix(name, "3") { // both must come to the same
			protocol, url = "http/protobuf", sink.HTTP
		}
		return fmt.Sprintf("observability:\n  tracing: {endpoint: '%s', protocol: %s}\n", url, protocol) + hooked(t)
	}})
	l.CreateTable()
	r := &run{Lab: l, t: t, leader: l.Leader(), writer: l.NewWriter(1), probes: l.NewProbes()}
	r.settle()
	return r, sink
}

// hooked configures a plugin that is told of events.
func hooked(t *testing.T) string {
	t.Helper()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	return "plugins:\n  hook: {type: webhook, settings: {url: '" + hook.URL + "'}}\n"
}

// stories asks a node for all failovers, newest first, and for the newest of
// that kind in full.
func (r *run) story(n *lab.Node, kind record.Kind, complete func(record.Story) string) record.Story {
	r.t.Helper()
	var s record.Story
	r.Wait(60*time.Second, "the story of a "+string(kind), func() string {
		var list struct{ Failovers []record.Story }
		if why := r.get(n, "/failovers", &list); why != "" {
			return why
		}
		at := slices.IndexFunc(list.Failovers, func(s record.Story) bool { return s.Kind == kind || kind == "" })
		if at < 0 {
			return fmt.Sprintf("there are %d others", len(list.Failovers))
		}
		s = record.Story{}
		if why := r.get(n, "/failovers/"+list.Failovers[at].ID.String(), &s); why != "" {
			return why
		}
		return complete(s)
	})
	return s
}

func (r *run) get(n *lab.Node, path string, into any) string {
	code, body, err := n.Call(http.MethodGet, path, "")
	if err != nil || code != 200 {
		return fmt.Sprintf("GET %s: %d %v %s", path, code, err, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		return err.Error()
	}
	return ""
}

// toldBy reports what is missing of a story that these members tell.
func toldBy(members int) func(record.Story) string {
	return func(s record.Story) string {
		if len(s.Members) < members {
			return fmt.Sprintf("told by %v only: %+v", s.Members, s.Gaps)
		}
		for _, g := range s.Gaps {
			if strings.Contains(g.Why, "has not told the end") {
				return g.Why
			}
		}
		return ""
	}
}

// covered is how much of the client's gap the phases of the story explain.
func covered(s record.Story, from, to time.Time) float64 {
	var sum time.Duration
	at := from
	for _, e := range s.Phases { // by their beginning
		begin, end := e.Begin, e.End
		if e.Phase == record.Change || end.IsZero() {
			continue
		}
		if begin.Before(at) {
			begin = at
		}
		if end.After(to) {
			end = to
		}
		if end.After(begin) {
			sum += end.Sub(begin)
			at = end
		}
	}
	return sum.Seconds() / to.Sub(from).Seconds()
}

// gap is the longest time without an acknowledged write since from.
func (r *run) gap(from time.Time) (begin, end time.Time) {
	last := from
	for _, a := range r.writer.Acks() {
		if a.Done.Before(from) {
			last = a.Done
			continue
		}
		if a.Done.Sub(last) > end.Sub(begin) {
			begin, end = last, a.Done
		}
		last = a.Done
	}
	return begin, end
}

// notify is the span of a call of a plugin.
const notify = "pgregent.plugin.v1.Callback/Notify"

// oneTrace checks that all spans of the story's trace hang together.
func oneTrace(t *testing.T, sink *otlp.Sink, s record.Story) {
	t.Helper()
	byID, members := map[string]otlp.Span{}, map[string]bool{}
	for _, span := range sink.Spans() {
		if span.Trace == s.Trace.String() {
			byID[span.ID] = span
			members[span.Member] = true
		}
	}
	for _, m := range s.Members {
		if !members[m] {
			t.Errorf("no span of %s in the trace", m)
		}
	}
	root := byID[s.ID.Root().String()]
	if root.Name != string(s.Kind) {
		t.Errorf("the root is %+v", root)
	}
	phases := map[string]bool{}
	for _, e := range s.Phases {
		phases[e.Span.String()] = true
	}
	for _, span := range byID {
		_, below := byID[span.Parent]
		switch {
		case span.ID == root.ID, span.ID == root.Parent, span.Parent == root.Parent && below:
		case phases[span.ID] && span.Parent != root.ID:
			t.Errorf("the phase %s of %s is not below the root", span.Name, span.Member)
		case !below:
			t.Errorf("%s of %s is below a span that is not there", span.Name, span.Member)
		}
	}
	outsideCalls(t, byID)
	names := map[string]bool{}
	for _, span := range byID {
		names[span.Name] = true
	}
	for _, want := range []string{"race", "acquire", "promote", "first write", "follow", "history", notify} {
		if !names[want] {
			t.Errorf("no span %q; there are %v", want, names)
		}
	}
}

// outsideCalls checks that calls to the outside are below the phases that made them.
func outsideCalls(t *testing.T, spans map[string]otlp.Span) {
	t.Helper()
	for name, above := range map[string]string{"zookeeper acquire": "acquire", "postgresql promote": "promote"} {
		found := false
		for _, span := range spans {
			found = found || span.Name == name && spans[span.Parent].Name == above
		}
		if !found {
			t.Errorf("no span %q is below %q", name, above)
		}
	}
}

func (r *run) judge(sink *otlp.Sink, s record.Story) {
	r.t.Helper()
	from, to := r.gap(r.from)
	share := covered(s, from, to)
	r.t.Logf("cause %q (guess %v): %s; gap of the client %v, story %.3f s, covered %.1f %%, longest phase %s, gaps %+v",
		s.Cause, s.Guess, s.Reason, to.Sub(from), s.Seconds, 100*share, s.Longest, s.Gaps)
	for _, e := range s.Phases {
		r.t.Logf("  %s %-4s %-14s %8v %s: %s", e.Begin.Format("05.000"), e.Member, e.Phase, e.Took().Round(time.Millisecond), e.Rule, e.Reason)
	}
	if share < 0.95 {
		r.t.Errorf("the phases cover %.1f %% of the gap of %v, want 95 %%", 100*share, to.Sub(from))
	}
	if s.Longest == "" {
		r.t.Error("no longest phase is named")
	}
	oneTrace(r.t, sink, s)
}

const traceDCS = `ttl: 10
loop_wait: 2
retry_timeout: 3
postgresql:
  use_pg_rewind: true
  remove_data_directory_on_diverged_timelines: true
`

func TestASwitchoverIsOneTraceOfTheOperators(t *testing.T) {
	r, sink := traced(t, traceDCS)
	candidate := r.Standbys()[0]
	r.from = time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.leader.URL("/switchover"), strings.NewReader(fmt.Sprintf(`{"leader": %q, "candidate": %q}`, r.leader.Name, candidate.Name)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("switchover: %v %v", resp, err)
	}
	_ = resp.Body.Close()
	r.WaitHealthy(60 * time.Second)
	r.writer.AwaitMore(20, 20*time.Second)
	s := r.story(r.leader, record.Switchover, toldBy(3))
	if s.Trace.String() != "0af7651916cd43dd8448eb211c80319c" || s.Cause != record.CauseSwitchover || s.Old != r.leader.Name || s.New != candidate.Name {
		t.Errorf("got %+v", s)
	}
	r.Wait(20*time.Second, "the spans", func() string { return missingSpans(sink, s) })
	r.judge(sink, s)
	r.Wait(20*time.Second, "the span of the winner's callback", func() string {
		for _, span := range sink.Spans() {
			if span.Name == notify && span.Member == candidate.Name && span.Parent == s.ID.Root().String() {
				return ""
			}
		}
		return "none"
	})
	request := ""
	for _, span := range sink.Spans() {
		if span.ID == s.ID.Root().String() {
			request = span.Parent
		}
	}
	found := false
	for _, span := range sink.Spans() {
		if span.ID == request {
			found = span.Name == "POST /switchover" && span.Parent == "b7ad6b7169203331" && span.Member == r.leader.Name
		}
	}
	if !found {
		t.Errorf("the root is below %s, which is not the request below the operator's span", request)
	}
}

func missingSpans(sink *otlp.Sink, s record.Story) string {
	have := map[string]bool{}
	for _, span := range sink.Spans() {
		have[span.ID] = true
	}
	for _, e := range s.Phases {
		if !have[e.Span.String()] {
			return string(e.Phase) + " of " + e.Member
		}
	}
	return ""
}

func TestALostNodeIsOneTrace(t *testing.T) {
	r, sink := traced(t, traceDCS)
	old, survivor := r.leader, r.Standbys()[0]
	r.from = time.Now()
	old.KillAll()
	r.writer.AwaitMore(20, 60*time.Second)
	s := r.story(survivor, record.Failover, toldBy(2))
	if s.Cause != record.CauseNodeLost || !s.Guess || s.Old != old.Name {
		t.Errorf("got %+v", s)
	}
	old.Start() // it tells what it knows: that it had no time for a word
	r.WaitHealthy(60 * time.Second)
	s = r.story(survivor, record.Failover, toldBy(3))
	if s.Cause != record.CauseNodeLost || s.Guess || s.Trace != s.ID {
		t.Errorf("got %+v", s)
	}
	r.Wait(20*time.Second, "the spans", func() string { return missingSpans(sink, s) })
	r.judge(sink, s)
}
