package sdk

import (
	"sync"
	"time"

	"github.com/pgregent/pgregent/plugins/proto"
)

// reportEvery bounds how often progress is sent within one phase.
const reportEvery = 200 * time.Millisecond

// Progress tells the agent how far the work is. Its methods may be called from
// any goroutine, as often as one likes.
type Progress struct {
	send func(*proto.Progress) error

	mu   sync.Mutex
	last proto.Progress
	at   time.Time
}

// Report says how far the work is: phase is one word, done and total are
// bytes, total is 0 if not known.
func (p *Progress) Report(phase string, done, total int64, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	final := total > 0 && done >= total && p.last.BytesDone < done
	same := phase == p.last.Phase && message == p.last.Message && !final
	if same && time.Since(p.at) < reportEvery {
		return
	}
	p.at = time.Now()
	p.last.Phase, p.last.BytesDone, p.last.BytesTotal, p.last.Message = phase, done, total, message
	// The agent went away: the call's context tells.
	_ = p.send(&proto.Progress{Phase: phase, BytesDone: done, BytesTotal: total, Message: message})
}
