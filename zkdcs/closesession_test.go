package zkdcs

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// Servers that answer only who has authenticated end a session for no one
// else, and whoever is refused is told so.
func TestCloseSessionWithCredentials(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t, zktest.WithLines("enforce.auth.enabled=true", "enforce.auth.schemes=digest"))
	closed := func(o *Options) {
		o.Access = Access{Hosts: []string{server.Addr()}, AuthData: map[string]string{"digest": "me:s3cret"}}
	}
	a := start(t, "a", closed)
	a.acquire(t)
	leader := a.paths.of(keyLeader)
	sess := a.session()
	a.stop()
	quiet := slog.New(slog.DiscardHandler)
	if err := CloseSession(t.Context(), Access{Hosts: []string{server.Addr()}}, sess, quiet); err == nil || !strings.Contains(err.Error(), "refuse") {
		t.Errorf("without credentials: got %v, want a refusal", err)
	}
	if err := a.Close(t.Context()); err != nil { // after Run: by a connection of its own
		t.Error(err)
	}
	raw, _, err := zk.Connect([]string{server.Addr()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.AddAuth("digest", []byte("me:s3cret")); err != nil {
		t.Fatal(err)
	}
	if there, _, err := raw.Exists(leader); there || err != nil {
		t.Errorf("after the end of its session: leader znode %v, %v", there, err)
	}
}
