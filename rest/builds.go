package rest

import (
	"math/bits"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/health"
)

// buildEventEvery bounds how often the progress of one method makes an event.
const buildEventEvery = time.Second

// buildStory decides which changes of a build are worth an event: the begin
// and the end, another method, and each phase and tenth of the way, at most
// one a second.
type buildStory struct {
	seen *cluster.Build // as last looked at
	told *cluster.Build // as of the last event
	at   time.Time      // of the last event
}

// look returns the event for what changed, false if there is none.
func (b *buildStory) look(s *cluster.NodeStatus, now time.Time) (change, bool) {
	before := b.seen
	b.seen = s.Build
	if cluster.SameStep(b.told, s.Build) {
		if s.Build == nil || sameProgress(b.told, s.Build) || now.Sub(b.at) < buildEventEvery {
			return change{}, false
		}
	}
	b.told, b.at = s.Build, now
	o := &cluster.Object{}
	o.Set("member", s.Name)
	o.Set("from", buildOrNull(before))
	o.Set("to", buildOrNull(s.Build))
	return change{"build", o}, true
}

// sameProgress compares phase and tenth of the way; where the size is not
// known, the power of two of what is done.
func sameProgress(a, b *cluster.Build) bool {
	tenth := func(p *cluster.Build) int {
		if p.Total > 0 {
			return p.Percent() / 10
		}
		return bits.Len64(uint64(max(p.Done, 0)))
	}
	return a.Phase == b.Phase && (a.Total > 0) == (b.Total > 0) && tenth(a) == tenth(b)
}

func buildOrNull(b *cluster.Build) any {
	if b == nil {
		return nil
	}
	return health.Build(*b)
}
