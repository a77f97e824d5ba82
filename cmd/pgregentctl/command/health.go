package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
)

// grade says how much a finding matters.
type grade int

const (
	good grade = iota
	note
	atRisk
	broken
)

// String is the word for people.
func (g grade) String() string { return [...]string{"ok", "note", "warning", "error"}[g] }

// found is something that a person should know, and what to do about it.
type found struct {
	grade grade
	what  string
	fix   string
}

// picture is a cluster as one look shows it.
type picture struct {
	view *cluster.Cluster
	// docs are the members' own words, by name; those that do not answer are
	// in silent, with the reason.
	docs   map[string]*cluster.Object
	silent map[string]string
	// clocks are the members' clocks minus ours, as far as they tell.
	clocks map[string]time.Duration
}

// lookAround asks all members at once.
func (a *app) lookAround(ctx context.Context, view *cluster.Cluster) picture {
	p := picture{view: view, docs: map[string]*cluster.Object{}, silent: map[string]string{}, clocks: map[string]time.Duration{}}
	ctx, cancel := context.WithTimeoutCause(ctx, lookLimit, fmt.Errorf("no answer within %v", lookLimit))
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, m := range view.Members {
		all.Go(func() {
			doc, offset, err := a.ownWords(ctx, m)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				p.silent[m.Name] = err.Error()
				return
			}
			p.docs[m.Name], p.clocks[m.Name] = doc, offset
		})
	}
	all.Wait()
	return p
}

// lookLimit bounds the round of questions of a status screen.
const lookLimit = 3 * time.Second

// problems are what is wrong with a cluster, the worst first.
func (p picture) problems() []found {
	var list []found
	settings, warnings := cluster.ParseSettings(p.view.Config.Object)
	list = append(list, p.leaderProblems()...)
	for _, m := range p.view.Members {
		list = append(list, p.memberProblems(m, settings)...)
	}
	for _, w := range warnings {
		list = append(list, found{atRisk, "dynamic configuration: " + w, "pgregentctl edit-config"})
	}
	for _, f := range p.view.Findings {
		list = append(list, found{atRisk, f, "look at the key with zkCli.sh, and who writes it"})
	}
	if settings.Pause {
		list = append(list, found{note, "the cluster is paused: nothing fails over by itself", "pgregentctl resume"})
	}
	if settings.Synchronous() && len(p.view.Sync.Standbys) == 0 && p.view.Leader != nil {
		list = append(list, found{atRisk, "synchronous mode is on and no standby confirms commits", "bring a standby back, or see nosync tags"})
	}
	slices.SortStableFunc(list, func(a, b found) int { return int(b.grade) - int(a.grade) })
	return list
}

func (p picture) leaderProblems() []found {
	if p.view.Initialize == nil && len(p.view.Members) == 0 {
		return []found{{broken, "ZooKeeper has nothing under this name", "check scope and namespace"}}
	}
	name := p.view.LeaderName()
	switch leader := p.view.LeaderMember(); {
	case name == "":
		return []found{{broken, "nobody holds the leader lock", "start the agents; the log of each tells why it does not lead"}}
	case leader == nil:
		return []found{{broken, "the leader " + name + " has no member key", "look at its agent's log"}}
	case leader.Data.State != cluster.StateRunning:
		return []found{{broken, fmt.Sprintf("the leader %s does not run: %s", name, leader.Data.State), "look at its agent's log"}}
	}
	if len(candidates(p.view)) == 0 {
		return []found{{atRisk, "no other member may take over", "add a standby, or take the nofailover tag away"}}
	}
	return nil
}

func (p picture) memberProblems(m cluster.Member, settings cluster.Settings) []found {
	var list []found
	add := func(g grade, fix, format string, args ...any) {
		list = append(list, found{g, m.Name + " " + fmt.Sprintf(format, args...), fix})
	}
	if why, ok := p.silent[m.Name]; ok {
		add(atRisk, "is the agent running, and api_url right?", "does not answer at %s: %s", m.Data.APIURL, why)
	}
	leads := m.Name == p.view.LeaderName()
	leader := p.view.LeaderMember()
	switch {
	case leads:
	case m.Data.State != cluster.StateRunning:
		add(atRisk, "look at its agent's log", "is not running: %s", m.Data.State)
	case m.Data.ReplicationState == "" && !m.Data.Before(3, 1):
		add(atRisk, "look at its PostgreSQL log", "does not replicate")
	case m.Data.XLogLocation > 0 && cluster.LSN(show.Behind(p.view, m.Data.XLogLocation)) > settings.MaximumLagOnFailover:
		add(atRisk, "look at its disk and network", "is %s behind, too far to take over", bytesText(show.Behind(p.view, m.Data.XLogLocation)))
	}
	if leader != nil && !leads && m.Data.Timeline != 0 && leader.Data.Timeline != 0 && m.Data.Timeline != leader.Data.Timeline {
		add(atRisk, "pgregentctl reinit, if it does not rewind by itself", "is on timeline %d, the leader on %d", m.Data.Timeline, leader.Data.Timeline)
	}
	if m.Data.PendingRestart {
		add(note, "pgregentctl restart --pending", "needs a restart for its settings")
	}
	if doc := p.docs[m.Name]; doc != nil && doc.Get("watchdog_failed") == true {
		add(atRisk, "look at watchdog.device and its rights", "has no working watchdog and will not lead")
	}
	if doc := p.docs[m.Name]; doc != nil && doc.Get("failsafe_mode_is_active") == true {
		add(broken, "bring ZooKeeper back", "works in failsafe mode: ZooKeeper does not answer it")
	}
	return list
}

// worst is the grade of the worst finding.
func worst(list []found) grade {
	g := good
	for _, f := range list {
		g = max(g, f.grade)
	}
	return g
}

// sinceText writes a duration for people: its two largest units.
func sinceText(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	var parts []string
	for _, u := range units {
		if n := d / u.size; n > 0 || u.size == time.Second && len(parts) == 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.size
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}
