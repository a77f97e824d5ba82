package zkdcs

import (
	"context"
	"log/slog"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

func (s *Store) hasReleased(epoch cluster.Epoch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return epoch != 0 && s.sess.released == epoch
}

// leaveRestored ends a session that owns a leader znode which it has deleted:
// the ensemble was set back to an older state. The znode would stay for as long
// as the session lives, and nobody could lead.
func (s *Store) leaveRestored(ctx context.Context, l *link, sess Session, epoch cluster.Epoch) error {
	path := s.paths.of(keyLeader)
	if _, err := request(ctx, l, func(c *zk.Conn) (string, error) { return c.Sync(path) }); err != nil {
		return readError(err)
	}
	n, err := readNode(ctx, l, path)
	if err != nil {
		return readError(err)
	}
	if n.exists && n.stat.EphemeralOwner == sess.ID && cluster.Epoch(n.stat.Czxid) == epoch { // not only a server that was behind
		s.log.Warn("ZooKeeper was set back to an older state: the released leader znode is there again; beginning a new session",
			slog.Int64("epoch", int64(epoch)))
		s.DropSession(sess.ID)
	}
	return nil
}
