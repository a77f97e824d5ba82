package decide

import "github.com/pgregent/pgregent/core/cluster"

// copies finds the permanent logical slots that a standby lacks and the leader
// has, and those of which it is not proven that they would work after a
// promotion.
func (p *slotPlanner) copies(have []cluster.Slot) {
	if !p.Instance.Standby {
		return
	}
	logical := p.wanted(func(w wantedSlot) bool { return w.Type == cluster.LogicalSlot })
	if len(logical) == 0 {
		return
	}
	usable := map[string]bool{}
	for _, s := range have {
		w := p.wish(s.Name)
		usable[s.Name] = w != nil && !p.useless(s, w)
		if !usable[s.Name] && (s.Active || p.Settings.Slots.Ignores(s)) {
			usable[s.Name] = true // somebody else's: nothing is put in its place
		}
	}
	for _, w := range logical {
		_, published := p.Cluster.Status.Slots[w.Name]
		if !usable[w.Name] && published && !p.lead && p.led() {
			p.plan.Copy = append(p.plan.Copy, w.Name)
		}
		if !usable[w.Name] {
			delete(p.plan.Memory.Floor, w.Name)
			delete(p.plan.Memory.Ready, w.Name)
		}
		if !p.plan.Memory.Ready[w.Name] {
			p.plan.Unproven = append(p.plan.Unproven, w.Name)
		}
	}
}

// Judge proves copies of logical slots. own are the slots of this standby,
// read before those of the leader.
//
// A copy needs catalog rows from its catalog_xmin on. From the moment when the
// leader's physical slot for this node has a catalog_xmin that is not behind
// the copy's, the leader keeps them; what it had removed before then is older
// than the catalog_xmin that its own logical slot had at that moment. So the
// copy is good once it has come that far.
func (m SlotMemory) Judge(v *View, own, leaders []cluster.Slot) SlotMemory {
	p := slotPlanner{View: v}
	p.remember(m)
	next := p.plan.Memory
	if next.Floor == nil {
		next.Floor = map[string]uint32{}
	}
	if next.Ready == nil {
		next.Ready = map[string]bool{}
	}
	byName := map[string]cluster.Slot{}
	for _, s := range leaders {
		byName[s.Name] = s
	}
	kept := byName[p.link()].CatalogXmin
	for _, s := range own {
		theirs := byName[s.Name]
		if s.Type != cluster.LogicalSlot || theirs.Type != cluster.LogicalSlot || s.CatalogXmin == 0 || next.Ready[s.Name] {
			continue
		}
		if _, known := next.Floor[s.Name]; !known && kept != 0 && !xidBefore(s.CatalogXmin, kept) {
			next.Floor[s.Name] = theirs.CatalogXmin
		}
		if floor, known := next.Floor[s.Name]; known && !xidBefore(s.CatalogXmin, floor) {
			next.Ready[s.Name] = true
		}
	}
	return next
}

// xidBefore reports that transaction a is older than b; they wrap around.
func xidBefore(a, b uint32) bool { return int32(a-b) < 0 }

func copyRules() []Rule {
	return []Rule{{
		Name: "copy-slots",
		Doc:  "The standby lacks permanent logical slots that the leader has: they are copied, which takes a restart.",
		When: func(v *View) bool {
			return v.led() && v.standby() && v.leaderReady() && v.leader() != v.Self && len(v.CopySlots) > 0 &&
				v.FollowsTarget && v.Divergence == cluster.DivergenceNone && v.Now >= v.Backoff
		},
		Then: func(v *View) Decision {
			return Decision{Verb: CopySlots, Upstream: upstream(v.Cluster.LeaderMember()), Reason: "copying logical slots of leader " + v.leader()}
		},
	}}
}
