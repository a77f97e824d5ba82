package zkdcs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pgregent/pgregent/core/cluster"
)

// CloseSession attaches to the session of a process that is gone and ends it,
// so that its ephemerals, the leader znode among them, vanish at once. A
// session that has expired meanwhile cannot be attached to, which is as good:
// this can never hurt a later leader. It returns an error unless the servers
// have confirmed the end.
func CloseSession(ctx context.Context, a Access, sess Session, log *slog.Logger) error {
	l, err := openLink(linkOptions{access: a, refused: refusedBy(log), timeout: sess.Timeout, resume: &sess, once: true, log: log})
	if err != nil {
		return err
	}
	defer l.retire("closing")
	for !l.attached.Load() {
		select {
		case <-l.signal:
		case <-l.over:
			if l.expired.Load() {
				return nil
			}
			return fmt.Errorf("close session: %w", cluster.ErrUnreachable)
		case <-ctx.Done():
			return fmt.Errorf("close session: %w: %w", cluster.ErrUnreachable, context.Cause(ctx))
		}
	}
	// Servers with enforce.auth.enabled answer nobody else.
	if err := l.authenticate(ctx, a.AuthData); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return l.closeSession(ctx)
}
