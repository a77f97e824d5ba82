package agent

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// buildEvery bounds how often the progress of a build is written to the member
// key: every member reads the cluster's view again when one does.
const buildEvery = 2 * time.Second

// memberEvery is how old the member key may become: loop_wait, and less while
// a build gets on.
func (a *Agent) memberEvery(d cluster.MemberData) time.Duration {
	every := a.s.settings.LoopWait
	if !sameText(d.Build, a.s.member.Build) {
		every = min(every, buildEvery)
	}
	return every
}

// sameMethod reports that two summaries are of the same step of a build.
func sameMethod(a, b *cluster.Object) bool {
	return (a.Len() == 0) == (b.Len() == 0) &&
		cluster.Text(a.Get("method")) == cluster.Text(b.Get("method")) && cluster.Text(a.Get("attempt")) == cluster.Text(b.Get("attempt"))
}
