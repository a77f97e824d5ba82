package webhook

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgregent/pgregent/plugins/sdk"
)

func TestNotify(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int // the last one again and again
		actions []string
		tries   int64
		err     string
	}{
		"taken":         {[]int{204}, nil, 1, ""},
		"taken at last": {[]int{500, 503, 429, 200}, nil, 4, ""},
		"refused":       {[]int{403}, nil, 1, "refused with 403"},
		"never taken":   {[]int{500}, nil, -1, "given up: answered 500"},
		"not asked for": {[]int{200}, []string{"on_stop"}, 0, ""},
		"among those":   {[]int{200}, []string{"on_stop", "on_start"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				var e event
				if json.Unmarshal(body, &e) != nil || e.Action != "on_start" || e.Role != "primary" || e.Epoch != 7 {
					t.Errorf("body: got %s", body)
				}
				at := r.Header.Get("X-Pgregent-Timestamp")
				if got, want := r.Header.Get("X-Pgregent-Signature"), "sha256="+sign("key", at, body); got != want {
					t.Errorf("signature: got %s, want %s", got, want)
				}
				n := int(tries.Add(1))
				w.WriteHeader(c.answers[min(n, len(c.answers))-1])
			}))
			defer server.Close()
			h := &hook{s: &settings{URL: server.URL, Secret: "key", Actions: c.actions, Timeout: time.Second, Retry: time.Millisecond}, client: server.Client()}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			if c.tries > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
			}
			defer cancel()
			err := h.Notify(ctx, sdk.Event{Action: "on_start", Role: "primary", Epoch: 7, At: time.Unix(1, 0)})
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if got := tries.Load(); c.tries >= 0 && got != c.tries || c.tries < 0 && got < 2 {
				t.Errorf("tries: got %d, want %d", got, c.tries)
			}
		})
	}
}
