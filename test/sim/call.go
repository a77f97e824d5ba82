package sim

import (
	"context"
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
)

// unknown is the error of a request whose answer did not come.
func unknown(write bool) error {
	if write {
		return fmt.Errorf("%w: no answer", cluster.ErrOutcomeUnknown)
	}
	return fmt.Errorf("%w: no answer", cluster.ErrUnreachable)
}

// call makes one request on k and waits for the answer. apply runs at the
// server, if it gets there.
func (c *client) call(ctx context.Context, k *conn, write bool, apply func() error) error {
	if !c.p.gate() {
		return errDead
	}
	if k == nil {
		return fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
	}
	r := &request{write: write, apply: apply, answer: make(chan error, 1)}
	up := false
	c.w.locked(func() {
		if up = k.up; up {
			k.send(r)
		}
	})
	if !up {
		return fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
	}
	var err error
	select {
	case err = <-r.answer:
	case <-k.gone:
		err = unknown(write)
	case <-ctx.Done():
		err = unknown(write)
	}
	if !c.p.gate() {
		return errDead
	}
	return err
}
