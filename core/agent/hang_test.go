package agent

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// mutePinger answers until it is muted.
type mutePinger struct{ muted, closed atomic.Bool }

func (p *mutePinger) Ping(context.Context) bool {
	if p.muted.Load() {
		time.Sleep(1300 * time.Millisecond)
		return false
	}
	return true
}
func (p *mutePinger) Close() { p.closed.Store(true) }

func TestHangIsPublishedWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &mutePinger{}
		a := &Agent{o: Options{Pinger: p}, log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1)}
		a.status.Store(&cluster.NodeStatus{Instance: cluster.Instance{State: cluster.StateRunning, Running: true, Ready: true}})
		ctx, stop := context.WithCancel(t.Context())
		go a.noticeHang(ctx)
		time.Sleep(10 * time.Second)
		if !a.Status().Instance.Ready {
			t.Error("a server that answers is shown as hanging")
		}
		p.muted.Store(true)
		time.Sleep(2 * time.Second)
		if i := a.Status().Instance; i.Ready || i.Err == "" || !i.Running {
			t.Errorf("got %+v, want a running server that does not answer", i)
		}
		select {
		case <-a.wake:
		default:
			t.Error("the loop was not woken")
		}
		stop()
		synctest.Wait()
		if !p.closed.Load() {
			t.Error("the pinger was not closed")
		}
	})
}
