package rest

import (
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
