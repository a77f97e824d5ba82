package zkdcs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/zkdcs/zkwire"
)

// maxWaiting bounds the calls that wait for an answer on one link, and with
// them the goroutines that a silent server can tie up.
const maxWaiting = 64

// maxFrame is ZooKeeper's default limit for znodes and answers, in bytes.
const maxFrame = 1 << 20

// link is one client of ZooKeeper, good for one session at most. Once it is
// over it never works again: what was queued in it dies with it.
type link struct {
	client *zk.Conn
	events <-chan zk.Event // closed when the client's goroutines have ended
	gate   *zkwire.Gate
	acl    acl
	once   bool
	onNode func(zk.Event) // a watch fired; must not block; nil: none is set

	slots    chan struct{}
	signal   chan struct{} // a value after each change of state
	attaches atomic.Int64  // handshakes completed
	begun    atomic.Int64  // lease.Instant of the last connection, before its handshake
	attached atomic.Bool
	expired  atomic.Bool
	dropped  atomic.Bool // its session is to be ended, see DropSession
	over     chan struct{}
	overOnce sync.Once
}

type linkOptions struct {
	access  Access
	acl     acl
	refused func(address string, err error)
	timeout time.Duration // session timeout to ask for
	resume  *Session
	once    bool
	onNode  func(zk.Event)
	log     *slog.Logger
}

// openLink starts to connect. It does not wait.
func openLink(o linkOptions) (*link, error) {
	l := &link{
		gate: zkwire.NewGate(zkwire.Options{
			Resume: o.resume, Once: o.once, MaxFrame: maxFrame, TLS: o.access.TLS, Refused: o.refused,
		}),
		acl:    o.acl,
		once:   o.once,
		onNode: o.onNode,
		slots:  make(chan struct{}, maxWaiting),
		signal: make(chan struct{}, 1),
		over:   make(chan struct{}),
	}
	client, events, err := zk.Connect(o.access.Hosts, o.timeout,
		zk.WithDialer(l.gate.Dial), zk.WithHostProvider(&zkwire.Hosts{}),
		zk.WithEventCallback(l.event), zk.WithMaxBufferSize(maxFrame),
		zk.WithLogger(clientLog{o.log}), zk.WithLogInfo(false))
	if err != nil {
		return nil, fmt.Errorf("create ZooKeeper client: %s", err)
	}
	l.client, l.events = client, events
	return l, nil
}

// event runs inside the client's goroutine: it must not block, nor use
// l.client.
func (l *link) event(e zk.Event) {
	if e.Type != zk.EventSession {
		if l.onNode != nil {
			l.onNode(e)
		}
		return
	}
	switch e.State {
	case zk.StateConnected:
		l.begun.Store(int64(lease.Now()))
	case zk.StateHasSession:
		l.attaches.Add(1)
		l.attached.Store(true)
	case zk.StateExpired:
		l.expired.Store(true)
		l.end("session expired")
	case zk.StateDisconnected:
		was := l.attached.Swap(false)
		if was && l.once {
			l.end("disconnected")
		}
	}
	notify(l.signal)
}

// end shuts the gate: no request that is still queued can go out.
func (l *link) end(reason string) {
	l.attached.Store(false)
	l.gate.Shut(reason)
	l.overOnce.Do(func() { close(l.over) })
	notify(l.signal)
}

// retire ends the link without closing the session. It waits until the
// client's goroutines have ended.
func (l *link) retire(reason string) {
	l.end(reason)
	l.client.Close()
	for range l.events { // until closed
	}
}

// closeSession ends the session at the server and the link with it. It returns
// an error unless the answer that it has ended comes before ctx ends.
func (l *link) closeSession(ctx context.Context) error {
	var err error
	done := make(chan struct{})
	go func() {
		l.client.Close() // bounded: a second for the answer, two for a full queue
		close(done)
	}()
	select {
	case <-done:
		if err = l.gate.Closed(); err != nil {
			err = fmt.Errorf("close session: %w; it ends by its timeout", err)
		}
	case <-ctx.Done():
		err = fmt.Errorf("close session: %w", context.Cause(ctx))
	}
	l.retire("session closed")
	return err
}

// request calls f in a worker and waits for the answer or the end of ctx. A
// request that is abandoned may still be sent later: after a write, the
// caller has to end the link.
func request[T any](ctx context.Context, l *link, f func(*zk.Conn) (T, error)) (T, error) {
	var none T
	if !l.attached.Load() || ctx.Err() != nil {
		return none, errNotSent
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return none, fmt.Errorf("%w: %d requests wait already", errNotSent, maxWaiting)
	}
	type answer struct {
		v   T
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		defer func() { <-l.slots }()
		v, err := f(l.client)
		ch <- answer{v, err}
	}()
	select {
	case a := <-ch:
		return a.v, a.err
	case <-ctx.Done():
		return none, errAbandoned
	}
}

// authenticate presents the credentials; the client repeats them by itself
// at every reconnect.
func (l *link) authenticate(ctx context.Context, auth map[string]string) error {
	for scheme, credential := range auth {
		_, err := request(ctx, l, func(c *zk.Conn) (struct{}, error) {
			return struct{}{}, c.AddAuth(scheme, []byte(credential))
		})
		if err != nil {
			return fmt.Errorf("authenticate with scheme %s: %w", scheme, readError(err))
		}
	}
	return nil
}

// notify puts a value into ch unless one waits there already.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// complainAgain is the least time between two words about one server.
const complainAgain = time.Minute

// refusedBy tells of servers that TLS could not be spoken with, which the
// client keeps to itself.
func refusedBy(log *slog.Logger) func(address string, err error) {
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(address string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if at, ok := told[address]; ok && time.Since(at) < complainAgain {
			return
		}
		told[address] = time.Now()
		log.Warn("ZooKeeper server cannot be used", slog.String("server", address), slog.Any("err", err))
	}
}

// clientLog takes the client's messages, which are of interest only when the
// client itself is in doubt.
type clientLog struct{ log *slog.Logger }

func (c clientLog) Printf(format string, args ...any) {
	c.log.Debug("zookeeper client", slog.String("message", fmt.Sprintf(format, args...)))
}
