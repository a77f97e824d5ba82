package zkdcs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

var _ agent.Store = (*Store)(nil)

// shared is the server of all tests that do not hurt it.
var shared *zktest.Server

func TestMain(m *testing.M) {
	os.Exit(zktest.RunShared(m.Run, func(s *zktest.Server) { shared = s }))
}

const tick = 500 * time.Millisecond

// patience bounds every wait of the tests, on a busy machine too.
const patience = 60 * time.Second

// node is a running Store behind its own proxy.
type node struct {
	*Store
	proxy *zktest.Proxy
	stop  func() // ends Run and waits

	mu    sync.Mutex
	saved Session
}

func (n *node) session() Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.saved
}

// scopes has a number for each test.
var scopes sync.Map

// scope is this test's own, also when it is run several times.
func scope(t *testing.T) string {
	number, _ := scopes.LoadOrStore(t, counter.Add(1))
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), number)
}

// start runs a store of this test's scope.
func start(t *testing.T, name string, change ...func(*Options)) *node {
	t.Helper()
	proxy, err := zktest.NewProxy(shared.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	n := &node{proxy: proxy}
	o := Options{
		Access: Access{Hosts: []string{proxy.Addr()}}, Namespace: "service", Scope: scope(t), Name: name,
		SessionTimeout: 4 * time.Second, RetryTimeout: 3 * time.Second, TickTime: tick,
		InstanceID: name + "-" + fmt.Sprint(counter.Add(1)),
		SaveSession: func(s Session) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.saved = s
		},
		Logger: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug})).With("member", name),
	}
	for _, c := range change {
		c(&o)
	}
	if n.Store, err = New(o); err != nil {
		t.Fatal(err)
	}
	n.stop = run(t, n.Store)
	n.await(t, "a view", func() bool { _, err := n.Load(t.Context()); return err == nil })
	return n
}

// run serves s until the returned function is called, at the latest to the
// end of the test.
func run(t *testing.T, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

var counter atomic.Int64

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// await polls until ok or fails the test.
func (n *node) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain for %s", what)
		}
		pause(t.Context(), 10*time.Millisecond)
	}
}

// awaitView waits for a view that satisfies ok.
func (n *node) awaitView(t *testing.T, what string, ok func(*cluster.Cluster) bool) *cluster.Cluster {
	t.Helper()
	var c *cluster.Cluster
	n.await(t, what, func() bool {
		v, err := n.Load(t.Context())
		c = v
		return err == nil && ok(v)
	})
	return c
}

func (n *node) view(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := n.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return c
}

func (n *node) acquire(t *testing.T) lease.Lease {
	t.Helper()
	ok, err := n.Acquire(t.Context(), n.view(t))
	if !ok || err != nil {
		t.Fatalf("acquire: got %v, %v, want true", ok, err)
	}
	l := n.Lease()
	if !l.Held() {
		t.Fatal("no lease after Acquire")
	}
	return l
}

// raw is a client that bypasses the store.
func raw(t *testing.T) *zk.Conn {
	t.Helper()
	c, _, err := zk.Connect([]string{shared.Addr()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (n *node) put(t *testing.T, c *zk.Conn, key, value string) {
	t.Helper()
	_, err := c.Create(n.paths.of(key), []byte(value), 0, zk.WorldACL(zk.PermAll))
	if err == zk.ErrNodeExists {
		_, err = c.Set(n.paths.of(key), []byte(value), -1)
	}
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func drain(ch <-chan struct{}) {
	for {
		select {
		case <-ch:
		default:
			return
		}
	}
}
