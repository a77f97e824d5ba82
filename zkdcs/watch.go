package zkdcs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-zookeeper/zk"
)

// shortLife is how long a watch connection must have lived for the next one
// to be opened without a pause.
const shortLife = 2 * time.Second

// runWatch keeps the watch connection. Each one serves until its first
// disconnect; what was cached is then read again on the next.
func (s *Store) runWatch(ctx context.Context) {
	for ctx.Err() == nil {
		opened := time.Now()
		if err := s.watchOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Info("ZooKeeper watch connection ended", slog.Any("err", err))
		}
		if time.Since(opened) < shortLife {
			pause(ctx, 5*reopenPause)
		}
	}
}

func (s *Store) watchOnce(ctx context.Context) error {
	var l *link
	ready := make(chan struct{}) // l is set before any watch can fire
	s.mu.Lock()
	asked := s.asked
	s.mu.Unlock()
	l, err := openLink(linkOptions{
		access: s.opts.Access, refused: s.refused, timeout: asked, once: true, log: s.log,
		onNode: func(e zk.Event) {
			<-ready
			s.view.fired(l, e)
			if e.Path == s.paths.of(keyLeader) {
				notify(s.renewal)
			}
		},
	})
	if err != nil {
		return err
	}
	close(ready)
	defer s.endWatch(l)
	for !l.attached.Load() {
		select {
		case <-l.signal:
		case <-l.over:
			return errors.New("no session")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.setUpWatch(ctx, l); err != nil {
		return err
	}
	s.view.up(l)
	defer s.view.down()
	select {
	case <-l.over:
		return errors.New("disconnected")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setUpWatch authenticates the connection and has one answer on it before any
// watch is set: the client library looks for watches to set again also after
// its first connect, at a moment that it does not tell, and not safely beside
// answers that come in.
func (s *Store) setUpWatch(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, setUpLimit)
	defer cancel()
	if err := l.authenticate(ctx, s.opts.AuthData); err != nil {
		return err
	}
	_, err := request(ctx, l, func(c *zk.Conn) (bool, error) {
		there, _, err := c.Exists("/")
		return there, err
	})
	if err != nil {
		return fmt.Errorf("look at the root: %w", readError(err))
	}
	return nil
}

// endWatch closes the session of l, which owns nothing, so that the server
// need not keep it; a server that is cut off keeps it until it expires.
func (s *Store) endWatch(l *link) {
	if !l.attached.Load() {
		l.retire("disconnected")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	if err := l.closeSession(ctx); err != nil {
		s.log.Debug("closing the watch session", slog.Any("err", err))
	}
}
