package rest

import (
	"net/http/httptest"
	"testing"

	"github.com/pgregent/pgregent/core/config"
)

// Settings are for those who may look, one key with what lies below it.
func TestExplain(t *testing.T) {
	o := Options{Backend: newFake(t), Explain: func() []config.Setting {
		return []config.Setting{{Key: "ttl", Value: "30", Origin: config.FromDefault}, {Key: "tags.a", Value: "1", Origin: config.FromFile, File: "a.yml", Line: 3}, {Key: "tagsoup", Value: "2"}}
	}}
	o.Identities = []Identity{{Name: "eve", Role: Viewer, Token: "t0ken"}}
	address := serve(t, o)
	if got := send(t, "GET", address, "/explain?key=tags", ""); got.code != 401 {
		t.Errorf("without a name: %d %s", got.code, got.body)
	}
	got := send(t, "GET", address, "/explain?key=tags", "", "Authorization", "Bearer t0ken")
	if want := `[{"key": "tags.a", "value": "1", "origin": "file", "file": "a.yml", "line": 3}]`; got.code != 200 || got.body != want {
		t.Errorf("got %d %s, want %s", got.code, got.body, want)
	}
	if got := send(t, "GET", address, "/explain?key=none", "", "Authorization", "Bearer t0ken"); got.body != "[]" {
		t.Errorf("of an unknown key: %s", got.body)
	}
}

// Where nobody has to say who he is, the settings are for this host.
func TestExplainIsLocalWithoutCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		from string
		id   []Identity
		code int
	}{
		"loopback":               {"127.0.0.1:99", nil, 200},
		"loopback, IPv6":         {"[::1]:99", nil, 200},
		"loopback, mapped":       {"[::ffff:127.0.0.1]:99", nil, 200},
		"elsewhere":              {"192.0.2.7:99", nil, 403},
		"elsewhere, mapped":      {"[::ffff:192.0.2.7]:99", nil, 403},
		"unknown":                {"@", nil, 403},
		"elsewhere, with a name": {"192.0.2.7:99", []Identity{{Name: "eve", Role: Viewer, Token: "t0ken"}}, 200},
	} {
		o := Options{Backend: newFake(t), Explain: func() []config.Setting { return nil }}
		o.Listen, o.Identities = "127.0.0.1:0", c.id
		s := start(t, o)
		r := httptest.NewRequest("GET", "/explain", nil)
		r.RemoteAddr = c.from
		r.Header.Set("Authorization", "Bearer t0ken")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.code || c.code == 403 && w.Body.String() != explainHere {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, c.code)
		}
	}
}
