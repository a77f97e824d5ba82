package sim

import (
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

// TestRightToWait has two states in which an operator may help, and their
// neighbours, in which the members have to help themselves.
func TestRightToWait(t *testing.T) {
	never := &cluster.Object{}
	never.Set("nofailover", true)
	first := &branch{timeline: 1}
	for name, tc := range map[string]struct {
		with            func(*world)
		barred, waiting bool
	}{
		"restored, and only a barred member in the sync key": {func(*world) {}, true, false},
		"without a restore":            {func(w *world) { w.setBack = false }, false, false},
		"without, promoted by hand":    {func(w *world) { w.setBack, w.nodes[0].pg.at.branch = false, &branch{timeline: 2, rogue: true} }, true, false},
		"another member in it":         {func(w *world) { w.zk.rest.Sync.Standbys = []string{"n1"} }, false, false},
		"not synchronous":              {func(w *world) { w.setup.Settings.SynchronousMode = "off" }, false, false},
		"begun by hand, and unlisted":  {byHand("n0"), true, true},
		"begun by hand, and listed":    {byHand("n0", "n1"), true, false},
		"begun by hand, no list":       {byHand(), true, false},
		"no failsafe mode":             {func(w *world) { byHand("n0")(w); w.setup.Settings.FailsafeMode = false }, true, false},
		"it is down":                   {func(w *world) { byHand("n0")(w); w.nodes[1].pg.running = false }, true, false},
		"it must never lead":           {func(w *world) { byHand("n0")(w); w.nodes[1].tags = w.nodes[0].tags }, true, false},
		"its agent is dead":            {func(w *world) { byHand("n0")(w); w.nodes[1].proc = nil }, true, false},
		"still primary":                {func(w *world) { byHand("n0")(w); w.nodes[1].pg.recovering = false }, true, false},
		"a timeline that somebody led": {func(w *world) { byHand("n0")(w); w.nodes[1].pg.at.branch.rogue = false }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{setBack: true, zk: &ensemble{}}
			w.setup.Settings.SynchronousMode = "on"
			w.zk.rest.Sync = cluster.SyncState{Exists: true, Leader: "n0"}
			for _, name := range []string{"n0", "n1"} {
				n := &node{name: name}
				n.pg = &postgres{w: w, n: n, running: true, ready: true, recovering: true, at: place{branch: first}}
				n.proc = &process{n: n}
				w.nodes = append(w.nodes, n)
			}
			w.nodes[0].tags = cluster.NewTags(never)
			tc.with(w)
			if got := w.allBarred(); (got != "") != tc.barred {
				t.Errorf("all barred: %q", got)
			}
			if got := w.awaitsUnlisted(); (got != "") != tc.waiting {
				t.Errorf("awaits one that is not listed: %q", got)
			}
		})
	}
}

// byHand gives n1 a timeline that somebody began by hand, in failsafe mode with
// those members listed.
func byHand(listed ...string) func(*world) {
	return func(w *world) {
		w.setup.Settings.FailsafeMode, w.zk.rest.Failsafe = true, map[string]string{}
		for _, name := range listed {
			w.zk.rest.Failsafe[name] = "http://" + name
		}
		w.nodes[1].pg.at.branch = &branch{timeline: 2, rogue: true}
	}
}
