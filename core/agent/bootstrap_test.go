package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// madeServer is a server that can be made; it notes what becomes of its data.
type madeServer struct {
	Postgres
	failing error // of post_bootstrap
	done    []string
}

func (s *madeServer) Initdb(context.Context) error              { return nil }
func (s *madeServer) Start(context.Context, StartOptions) error { return nil }
func (s *madeServer) PostBootstrap(context.Context) error       { return s.failing }
func (s *madeServer) MoveDataAside() error {
	s.done = append(s.done, "data put aside")
	return nil
}

func (s *madeServer) Stop(context.Context, cluster.StopMode, bool, func(cluster.LSN)) error {
	s.done = append(s.done, "stopped")
	return nil
}

func (s *madeServer) Observe(context.Context) cluster.Instance {
	return cluster.Instance{SystemID: "7000000000000000001"}
}

// newStore is an empty store that takes the lock and the settings.
type newStore struct {
	Store
	server  *madeServer
	refused error // the answer to the write of the system identifier
	lost    func()
}

func (s *newStore) CreateInitialize(context.Context) (bool, error)          { return true, nil }
func (s *newStore) Acquire(context.Context, *cluster.Cluster) (bool, error) { return true, nil }
func (s *newStore) SetConfig(context.Context, *cluster.Object, int32) error { return nil }
func (s *newStore) Lease() lease.Lease                                      { return silentLease() }
func (s *newStore) SessionID() int64                                        { return 1 }
func (s *newStore) DeleteInitialize(context.Context) error {
	s.server.done = append(s.server.done, "key deleted")
	return nil
}

func (s *newStore) Release(context.Context, cluster.Status) error {
	s.server.done = append(s.server.done, "lock released")
	return nil
}

func (s *newStore) SetInitialize(context.Context, string) error {
	s.lost() // the lease ends while nobody answers
	return s.refused
}

func TestABootstrapIsUndoneOnlyIfItIsKnownToHaveFailed(t *testing.T) {
	undone := []string{"stopped", "data put aside", "key deleted", "lock released"}
	for name, tc := range map[string]struct {
		failing, refused error
		want             []string
		noted            bool // for the next start
	}{
		"post_bootstrap fails":                    {errors.New("exit status 1"), nil, undone, false},
		"the system identifier is refused":        {nil, cluster.ErrConflict, undone, false},
		"the system identifier gets no answer":    {nil, cluster.ErrOutcomeUnknown, []string{"stopped", "lock released"}, true},
		"the store cannot be reached at its last": {nil, cluster.ErrUnreachable, []string{"stopped", "lock released"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			server := &madeServer{failing: tc.failing}
			noted := false
			a := New(Options{
				Name: "a", Postgres: server, Store: &newStore{server: server, refused: tc.refused, lost: cancel}, Logger: slog.New(slog.DiscardHandler),
				Settings:      func(*cluster.Object) (cluster.Settings, []string) { return cluster.DefaultSettings(), nil },
				Bootstrapping: func(now bool) error { noted = now; return nil },
			})
			out := a.bootstrap(ctx, &job{}, &decide.View{Cluster: &cluster.Cluster{}, Settings: cluster.DefaultSettings()})
			if why := cmp.Or(tc.failing, tc.refused); !out.fatal || !errors.Is(out.err, why) {
				t.Errorf("got %+v, want the fatal error %v", out, why)
			}
			if !slices.Equal(server.done, tc.want) || noted != tc.noted {
				t.Errorf("after %v: got %q, noted %v; want %q, %v", out.err, server.done, noted, tc.want, tc.noted)
			}
		})
	}
}

func TestACompleteClusterIsNotUndoneByALaterStart(t *testing.T) {
	noted := true
	a := New(Options{
		Name: "a", Interrupted: true, Store: &newStore{}, Logger: slog.New(slog.DiscardHandler),
		Settings:      func(*cluster.Object) (cluster.Settings, []string) { return cluster.DefaultSettings(), nil },
		Bootstrapping: func(now bool) error { noted = now; return nil },
	})
	none, id := "", "7000000000000000001"
	if a.endInterruption(&cluster.Cluster{Initialize: &none}); !noted || !a.s.interrupted {
		t.Error("the bootstrap counts as complete before the key says so")
	}
	if a.endInterruption(&cluster.Cluster{Initialize: &id}); noted || a.s.interrupted {
		t.Error("the bootstrap is still noted as interrupted")
	}
}
