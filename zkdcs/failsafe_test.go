package zkdcs

import (
	"errors"
	"maps"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestFailsafeIsALeadersWrite(t *testing.T) {
	t.Parallel()
	a, c := start(t, "a"), raw(t)
	members := map[string]string{"b": "http://b:8008/patroni", "a": "http://a:8008/patroni?x=1&y"}
	if err := a.SetFailsafe(t.Context(), members); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("got %v, want ErrNotLeader", err)
	}
	a.acquire(t)
	for range 2 { // creation, then change
		if err := a.SetFailsafe(t.Context(), members); err != nil {
			t.Fatal(err)
		}
		a.awaitView(t, "the key", func(c *cluster.Cluster) bool { return maps.Equal(c.Failsafe, members) })
		delete(members, "b")
	}
	text, _, err := c.Get(a.paths.of(keyFailsafe))
	if want := `{"a":"http://a:8008/patroni?x=1&y"}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}
