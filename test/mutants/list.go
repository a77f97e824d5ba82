package main

// mutants are bugs that would cost data or availability.
func mutants() []mutant {
	return append(raceMutants(), append(syncMutants(), leaseMutants()...)...)
}

func raceMutants() []mutant {
	const race, request, safety = "core/decide/race.go", "core/decide/request.go", "core/decide/safety.go"
	const start, pause = "core/decide/start.go", "core/decide/pause.go"
	return []mutant{
		{"race: the lag limit is not checked", race, "v.shared()+v.Settings.MaximumLagOnFailover < v.Cluster.Status.Optime", "false"},
		{"race: a peer that is ahead is not waited for", race, "case p.Position > mine:", "case false:"},
		{"race: a running primary elsewhere is overlooked", race, "case p.Reachable && p.Primary:\n\t\t\treturn", "case false:\n\t\t\treturn"},
		{"race: a newer timeline elsewhere is overlooked", race, "case p.Timeline > v.Instance.Timeline:", "case false:"},
		{"race: a laggard on an abandoned branch is waited for", race, "case v.leavesOut(p.Name), p.Lagging:", "case v.leavesOut(p.Name):"},
		{"race: nofailover is not heeded", race, "racing(v) && v.Tags.NoFailover()", "false"},
		{"race: check_timeline is not heeded", race, "racing(v) && v.Settings.CheckTimeline &&", "false &&"},
		{"race: a higher priority elsewhere is overlooked", race, "p.FailoverPriority > v.Tags.FailoverPriority():", "p.FailoverPriority < 0:"},
		{"request: a candidate on an older timeline is good enough", request, " || p.olderThan(v.Instance.Timeline)", ""},
		{"request: a candidate without the log is good enough", request, "p.Position < limit ||", ""},
		{"request: a request for another leader is carried out", request, "case f.Leader != \"\" && f.Leader != v.Self:", "case false:"},
		{"race: an older leadership's release is believed", race, "status.Released == v.LastEpoch &&", "status.Released <= v.LastEpoch &&"},
		{"race: a bootstrap elsewhere gets no time", start, "v.Now >= v.UnlockedSince.Add(2*v.Settings.TTL)", "true"},
		{"race: a standby that cannot become consistent is left", race, "v.startingBehind() && v.Divergence == cluster.DivergenceFound", "false"},
		{"pause: the timeline of the last leader is overlooked", pause, "v.Instance.Timeline < v.LastTimeline &&", "false &&"},
		{"safety: a primary without a lease goes on", safety, "return v.Instance.Primary() && !v.holds() && !v.Settings.Pause", "return false"},
		{"safety: an adopted primary takes the lock beside another primary", safety, "case p.Reachable && p.Primary:\n\t\t\treturn", "case false:\n\t\t\treturn"},
	}
}

func syncMutants() []mutant {
	const sync, set, race = "core/decide/sync.go", "core/decide/syncset.go", "core/decide/syncrace.go"
	return []mutant{
		{"sync: a standby is listed before it has caught up", sync, "return p.v.Sync.Baseline == 0 || b.position < p.v.Sync.Baseline", "return false"},
		{"sync: the names change before the key allows it", sync, "if guarded(p.voters, p.state.Quorum, t.names) {", "if true {"},
		{"sync: the quorum falls before the names ask for more", sync, "quorum := max(0, len(voters)-held(voters, p.names), p.target.quorum)", "quorum := max(0, p.target.quorum)"},
		{"sync: those who may lack a commit are not counted", sync, "if p.lacking(voters) > quorum {", "if false {"},
		{"sync: every voter counts as complete", sync, "if p.sound && p.state.Quorum == 0 && p.voters.has(name) {", "if p.voters.has(name) {"},
		{"sync: strangers may confirm", set, "if n.Has(\"*\") {", "if false {"},
		{"sync: names outside the group count", set, "max(0, confirming(names)-setOf(names.Names).without(voters))", "confirming(names)"},
		{"sync: any standby may lead", race, "return v.synchronous() && (v.Cluster.Sync.Broken || !v.Settings.Quorum() && !v.Cluster.Sync.Contains(v.Self))", "return false"},
		{"sync: one vote less is enough", race, "if got >= need {", "if got >= need-1 {"},
		{"sync: a voter that is ahead votes", race, " && !p.aheadOf(v) {", " {"},
		{"sync: a promotion leaves the key to the old leader", race, "step := p.write(nameSet{}, 0, \"\")", "step := p.write(nameSet{}, 0, \"\")\n\tstep.State.Leader = sync.Leader"},
		{"sync: a promotion in quorum mode asks for one less", race, "len(others)-sync.Quorum, step", "len(others)-sync.Quorum-1, step"},
	}
}

func leaseMutants() []mutant {
	const guard, work, lease = "core/agent/guard.go", "core/agent/work.go", "core/lease/lease.go"
	return []mutant{
		{"agent: promoted before the sync key is written", work, "former, err := a.prepareSync(promoting, v)", "former, err := (*cluster.SyncState)(nil), error(nil)"},
		{"lease: the deadline ignores the relay of touches", lease, "relay := l.Tick/2 + l.Interval + max(l.Gap, leastGap)", "relay := time.Duration(0)"},
		{"lease: a clock that is slow by a percent is not allowed for", lease, "(1 - clockRate)", "1"},
		{"lease: no time is left to stop in order", lease, "return max(l.Hard().Add(-StopBudget(l.Timeout)), l.Sent)", "return l.Hard()"},
		{"agent: the guard sleeps on", guard, "signal(a.onGuard)", ""},
		{"agent: the feeder sleeps on", guard, "signal(a.feeder.wanted)", ""},
		{"agent: who asks the members sleeps on", "core/agent/failsafe.go", "signal(a.failsafe.allowed)", ""},
		{"agent: the guard never kills", guard, "return g.hard != 0 && now >= g.hard && now >= g.notBefore", "return false"},
	}
}
