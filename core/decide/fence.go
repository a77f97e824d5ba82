package decide

import "time"

// fenceGrace is how long a primary may go on without a fence process: another
// one is started at once.
const fenceGrace = time.Second

// unfenced reports that this node must not become primary, because there is
// no fence.
func (v *View) unfenced() bool { return v.FenceRequired && v.FenceLost != 0 && !v.Settings.Pause }

func fenceRules() []Rule {
	return []Rule{
		{
			Name: "fence-lost",
			Doc:  "The primary has no fence process and none could be started within a second: it hands over, or stops.",
			When: func(v *View) bool {
				return v.unfenced() && v.Instance.Primary() && v.Now >= v.FenceLost.Add(fenceGrace) && v.Job == nil
			},
			Then: func(*View) Decision {
				return Decision{Verb: Demote, Reason: "there is no fence process, and this node must not be primary without one (fence.mode)"}
			},
		},
		{
			Name: "fence-missing",
			Doc:  "There is no fence process: the node takes no part in a race, and a lock that it holds is given up.",
			When: func(v *View) bool {
				return v.unfenced() && v.Job == nil && !v.Instance.Primary() && v.readable() && (v.unlocked() || v.Lease.Held())
			},
			Then: func(v *View) Decision {
				const why = "no fence process; not leading without one (fence.mode)"
				if v.Lease.Held() && v.Now >= v.FenceLost.Add(fenceGrace) {
					return Decision{Verb: Release, Reason: why}
				}
				return Decision{Verb: Wait, Again: 200 * time.Millisecond, Reason: why}
			},
		},
	}
}
