package decide

import (
	"fmt"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// synchronous reports that the sync key says who may lead.
func (v *View) synchronous() bool {
	return v.Settings.Synchronous() && v.Cluster != nil && (v.Cluster.Sync.Active() || v.Cluster.Sync.Broken)
}

// barred reports that the sync key forbids this node to lead. The number of
// votes that it needs in quorum mode is another matter.
func (v *View) barred() bool {
	return v.synchronous() && (v.Cluster.Sync.Broken || !v.Settings.Quorum() && !v.Cluster.Sync.Contains(v.Self))
}

// eligible reports that the sync key allows a member to take over in a
// switchover.
func (v *View) eligible(name string) bool {
	return v.Cluster == nil || MayTakeOver(v.Settings, v.Cluster, name)
}

// MayTakeOver reports that the sync key allows a member to take over from a
// leader that stops in order.
func MayTakeOver(s cluster.Settings, c *cluster.Cluster, name string) bool {
	return !s.Synchronous() || s.Quorum() || !c.Sync.Active() || c.Sync.HasStandby(name)
}

// allows reports that the request lets a member take over. A failover, which
// names no leader, may go to an asynchronous standby: that is its purpose.
func (v *View) allows(f cluster.Failover, name string) bool {
	if f.Candidate != "" && name != f.Candidate {
		return false
	}
	return f.Leader == "" && f.Candidate != "" || v.eligible(name)
}

// cannotHandOver says that in quorum mode too few voters could promote one of
// them, "" if enough could. A named candidate has the whole log when the lock
// is released for it.
func (v *View) cannotHandOver(f cluster.Failover, limit cluster.LSN) string {
	if !v.synchronous() || !v.Settings.Quorum() || f.Candidate != "" {
		return ""
	}
	fit := 0
	for _, p := range v.Peers {
		if p.Reachable && !p.Primary && v.Cluster.Sync.HasStandby(p.Name) && p.Position >= limit {
			fit++
		}
	}
	if need := v.Cluster.Sync.Quorum + 1; fit < need {
		return fmt.Sprintf("%d voters are needed and %d are ready", need, fit)
	}
	return ""
}

// votes says why this node has not got the votes that the quorum of the sync
// key asks for, "" if it has. A vote is the answer of a voter, or of the
// former leader, that is not ahead of this node. The former leader itself
// has every commit and needs none; a node that is not listed needs one more.
func votes(v *View) string {
	sync := v.Cluster.Sync
	if !v.synchronous() || strings.EqualFold(sync.Leader, v.Self) {
		return ""
	}
	need := sync.Quorum
	if !sync.Contains(v.Self) {
		need++
	}
	got := 0
	for _, p := range v.Peers {
		if p.Reachable && !p.Primary && sync.Contains(p.Name) && p.Position > 0 && !p.aheadOf(v) {
			got++
		}
	}
	if got >= need {
		return ""
	}
	return fmt.Sprintf("%d of the voters %s are known not to be ahead of this node, the quorum asks for %d", got, strings.Join(append([]string{sync.Leader}, sync.Standbys...), ", "), need)
}

// aheadOf reports that the peer has log that this node lacks.
func (p Peer) aheadOf(v *View) bool {
	if p.Timeline != 0 && p.Timeline != v.Instance.Timeline {
		return p.Timeline > v.Instance.Timeline
	}
	return p.Position > v.Instance.Position()
}

// rival reports that a peer's position counts in the race. In synchronous
// mode only that of listed standbys does: what the former leader has beyond
// them was never acknowledged.
func (v *View) rival(p Peer) bool {
	return !v.synchronous() || v.Cluster.Sync.HasStandby(p.Name)
}

// SyncStart is what must be in force before a node that holds the lock is
// promoted: no commit of it may count as safe that is not.
type SyncStart struct {
	// Names is nil for what the configuration says.
	Names *cluster.SyncNames
	// State is the sync key to be written first; nil: leave it.
	State *cluster.SyncState
}

// StartSync is the pure part of a promotion in synchronous mode.
//
// In quorum mode the former leader becomes a voter in exchange for this node:
// the group G and with it the promise stay the same. The names guard that key:
// with k of the rest of G confirming, a candidate that has looked at quorum+1
// nodes of G meets one that has the commit. Otherwise the key first names this
// node alone.
func StartSync(v *View) SyncStart {
	sync := v.Cluster.Sync
	if !v.Settings.Synchronous() {
		return SyncStart{}
	}
	p := syncPlan{v: v, state: sync}
	if v.Settings.Quorum() && sync.Active() {
		others := setOf(append([]string{sync.Leader}, sync.Standbys...))
		delete(others, strings.ToLower(v.Self))
		if len(others) > 0 {
			step := p.write(others, sync.Quorum, "")
			n := cluster.NamesOf(true, len(others)-sync.Quorum, step.State.Standbys)
			return SyncStart{Names: strictly(v, n), State: &step.State}
		}
	}
	step := p.write(nameSet{}, 0, "")
	return SyncStart{Names: strictly(v, cluster.SyncNames{}), State: &step.State}
}

// FormerSync is the key to go back to when a promotion failed after StartSync:
// whoever could lead before still can. version is what the key has now.
func FormerSync(v *View, version int32) *cluster.SyncState {
	former := v.Cluster.Sync
	if !former.Active() || strings.EqualFold(former.Leader, v.Self) {
		return nil
	}
	former.Version = version
	return &former
}

// strictly makes commits wait in strict mode when nobody would confirm them.
func strictly(v *View, n cluster.SyncNames) *cluster.SyncNames {
	if len(n.Names) == 0 && v.Settings.SynchronousModeStrict {
		n = cluster.Blocking(v.Settings.Quorum())
	}
	return &n
}
