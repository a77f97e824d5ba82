package command

import (
	"fmt"

	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
)

// changes tells in words what is different between two looks.
func changes(before, now picture) []string {
	switch {
	case now.view == nil && before.view != nil:
		return []string{"ZooKeeper does not answer"}
	case now.view == nil:
		return nil
	case before.view == nil:
		return []string{"ZooKeeper answers"}
	}
	list := wholeChanges(before.view, now.view)
	for _, m := range now.view.Members {
		list = append(list, memberChanges(before, now, m)...)
	}
	for _, m := range before.view.Members {
		if now.view.Member(m.Name) == nil {
			list = append(list, m.Name+" is gone")
		}
	}
	return list
}

// wholeChanges are those of the cluster as a whole.
func wholeChanges(before, now *cluster.Cluster) []string {
	var list []string
	switch was, is := before.LeaderName(), now.LeaderName(); {
	case was == is:
	case is == "":
		list = append(list, was+" no longer leads: nobody does")
	case was == "":
		list = append(list, is+" leads")
	default:
		list = append(list, fmt.Sprintf("%s leads in the place of %s", is, was))
	}
	old, _ := cluster.ParseSettings(before.Config.Object)
	settings, _ := cluster.ParseSettings(now.Config.Object)
	switch {
	case settings.Pause && !old.Pause:
		list = append(list, "the cluster is paused")
	case !settings.Pause && old.Pause:
		list = append(list, "the cluster is resumed")
	case before.Config.Version != now.Config.Version:
		list = append(list, "the dynamic configuration has changed")
	}
	if f := now.Failover; f.Pending() && f.Version != before.Failover.Version {
		what := "failover to " + f.Candidate
		if f.Leader != "" {
			what = fmt.Sprintf("switchover from %s to %s", f.Leader, listOr(nonEmpty(f.Candidate), "any standby"))
		}
		if !f.ScheduledAt.IsZero() {
			what += " at " + f.ScheduledAt.String()
		}
		list = append(list, what+" is asked for")
	}
	if !sameNames(before.Sync.Standbys, now.Sync.Standbys) {
		list = append(list, "commits are confirmed by "+listOr(now.Sync.Standbys, "nobody"))
	}
	return list
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func sameNames(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func memberChanges(before, now picture, m cluster.Member) []string {
	var list []string
	old := before.view.Member(m.Name)
	if old == nil {
		return []string{fmt.Sprintf("%s has joined: %s", m.Name, m.Data.State)}
	}
	was := show.StateOf("replica", old.Data, show.Level41)
	if is := show.StateOf("replica", m.Data, show.Level41); is != was {
		list = append(list, fmt.Sprintf("%s: %s", m.Name, is))
	}
	if m.Data.Role != old.Data.Role {
		list = append(list, fmt.Sprintf("%s is %s, was %s", m.Name, m.Data.Role, old.Data.Role))
	}
	if m.Data.Timeline != old.Data.Timeline && m.Data.Timeline > 0 {
		list = append(list, fmt.Sprintf("%s is on timeline %d", m.Name, m.Data.Timeline))
	}
	if m.Data.PendingRestart && !old.Data.PendingRestart {
		list = append(list, m.Name+" needs a restart for its settings")
	}
	_, silent := now.silent[m.Name]
	_, wasSilent := before.silent[m.Name]
	switch {
	case silent && !wasSilent:
		list = append(list, m.Name+" does not answer")
	case !silent && wasSilent:
		list = append(list, m.Name+" answers")
	}
	return append(list, ownReason(m.Name, before.docs[m.Name], now.docs[m.Name])...)
}

// ownReason is what an agent of ours says of its latest decision, when it
// decides by another rule than before.
func ownReason(name string, before, now *cluster.Object) []string {
	rule := text(now.Object("pgregent").Get("rule"))
	if rule == "" || before == nil || rule == text(before.Object("pgregent").Get("rule")) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s: %s", name, rule, text(now.Object("pgregent").Get("reason")))}
}
