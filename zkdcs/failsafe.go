package zkdcs

import (
	"context"
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
)

// SetFailsafe writes the failsafe key as leader: member names, in order, to
// REST URLs. The key is created if it is absent.
func (s *Store) SetFailsafe(ctx context.Context, members map[string]string) error {
	text, err := cluster.EncodeJSON(members) // sorts the names
	if err != nil {
		return fmt.Errorf("write %s: %w", keyFailsafe, err)
	}
	return s.leaderWrite(ctx, keyFailsafe, text)
}
