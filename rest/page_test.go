package rest

import (
	"regexp"
	"strings"
	"testing"
)

func TestClusterPageIsServedWithItsPolicy(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	for path, kind := range map[string]string{"/ui": "text/html; charset=utf-8", "/ui/page.css": "text/css; charset=utf-8", "/ui/page.js": "text/javascript; charset=utf-8"} {
		got := send(t, "GET", address, path, "")
		if got.code != 200 || got.header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, got.code, got.header.Get("Content-Type"))
		}
		for name, want := range map[string]string{"Content-Security-Policy": pagePolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if have := got.header.Get(name); have != want {
				t.Errorf("%s: %s is %q, want %q", path, name, have, want)
			}
		}
		// Nothing from elsewhere, nothing that the policy would forbid.
		if found := regexp.MustCompile(`https?:|//[a-z]+\.|<script>|style="|onclick|innerHTML|eval\(`).FindString(got.body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
	if got := send(t, "GET", address, "/ui/", ""); got.code != 301 || got.header.Get("Location") != "../ui" {
		t.Errorf("/ui/: %d to %q", got.code, got.header.Get("Location"))
	}
	for _, path := range []string{"/ui/none.js", "/ui/../patroni", "/ui/page.js/x"} {
		if got := send(t, "GET", address, path, ""); got.code != 404 {
			t.Errorf("%s: %d", path, got.code)
		}
	}
	if got := send(t, "POST", address, "/ui", "{}"); got.code != 501 {
		t.Errorf("POST: %d", got.code)
	}
}

// Who has to say who they are has to do so for the page, too.
func TestClusterPageIsForViewers(t *testing.T) {
	o := Options{Backend: newFake(t)}
	o.Username, o.Password = "ops", "secret"
	address := serve(t, o)
	if got := send(t, "GET", address, "/ui", ""); got.code != 401 || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("without a name: %d", got.code)
	}
}

// Whoever reads the stream by the document, and the page, get every kind.
func TestEveryKindOfEventIsListed(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	document, page := send(t, "GET", address, "/openapi.json", "").body, send(t, "GET", address, "/ui/page.js", "").body
	for _, kind := range []string{"role", "state", "leader", "config", "request", "operation", "build", "pause", "store", "audit"} {
		if !regexp.MustCompile(`server-sent events: [a-z, ]*\b` + kind + `\b`).MatchString(document) {
			t.Errorf("/openapi.json does not list %s", kind)
		}
		if !regexp.MustCompile(`for \(const kind of \[.*"` + kind + `".*\]`).MatchString(page) {
			t.Errorf("the page does not listen for %s", kind)
		}
	}
}
