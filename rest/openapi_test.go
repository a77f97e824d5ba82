package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// The description has exactly the routes of the router.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	s := New(Options{Backend: newFake(t), Metrics: nopHandler{}, Records: &Records{}, Explain: func() []config.Setting { return nil }})
	doc := describe(s.endpoints)
	if got := doc.Get("openapi"); got != "3.1.0" {
		t.Errorf("got version %v, want 3.1.0", got)
	}
	var have, want []string
	for path := range doc.Object("paths").All() {
		for method := range doc.Object("paths").Object(path).All() {
			have = append(have, strings.ToUpper(method)+" "+path)
		}
	}
	for _, r := range s.engine.Routes() {
		want = append(want, r.Method+" "+r.Path)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("got  %v\nwant %v", have, want)
	}
}

func TestOpenAPIIsServedAndComplete(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	got := send(t, "GET", address, "/openapi.json", "")
	doc, err := cluster.ParseObject([]byte(got.body))
	if err != nil || got.code != 200 {
		t.Fatalf("got %d, %v", got.code, err)
	}
	ids := map[string]bool{}
	for path := range doc.Object("paths").All() {
		for method := range doc.Object("paths").Object(path).All() {
			op := doc.Object("paths").Object(path).Object(method)
			id := cluster.Text(op.Get("operationId"))
			if op.Get("summary") == "" || op.Object("responses").Len() == 0 || ids[id] {
				t.Errorf("%s %s: no summary, no responses, or an id that is taken: %s", method, path, id)
			}
			ids[id] = true
			for code, r := range op.Object("responses").All() {
				if n, err := strconv.Atoi(code); err != nil || n < 200 || n > 599 {
					t.Errorf("%s %s: code %s", method, path, code)
				}
				if o, _ := r.(*cluster.Object); o.Get("description") == "" {
					t.Errorf("%s %s %s: no description", method, path, code)
				}
			}
		}
	}
}

// checkDocumented fails if an answer has a code that the description does
// not have. Every request of this package's tests goes through it.
func checkDocumented(t testing.TB, method, path string, code int) {
	t.Helper()
	raw, _, _ := strings.Cut(path, "?")
	raw = firstSegment("/" + strings.TrimLeft(raw, "/"))
	routes := New(Options{Backend: &fakeAgent{}, Metrics: nopHandler{}}).endpoints
	for i := range routes {
		r := &routes[i]
		if r.path == raw && slices.Contains(r.methods, method) && !slices.Contains(r.codes(), code) && r.path != "/metrics" {
			t.Errorf("%s %s: answered %d, which /openapi.json does not say: %v", method, path, code, r.codes())
		}
	}
}

// nopHandler answers nothing.
type nopHandler struct{}

func (nopHandler) ServeHTTP(http.ResponseWriter, *http.Request) {}
