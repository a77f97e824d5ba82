package rest

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// lead makes name the writable leader and blanks the request, as the
// transaction of a new leader does.
func lead(name string) func(*cluster.Cluster) {
	return func(c *cluster.Cluster) {
		c.Leader = &cluster.Leader{Name: name}
		c.Failover = cluster.Failover{Exists: true, Version: c.Failover.Version + 1}
		for i := range c.Members {
			c.Members[i].Data.Role = cluster.RoleReplica
			if c.Members[i].Name == name {
				c.Members[i].Data.Role = cluster.RolePrimary
			}
		}
	}
}

func blank(c *cluster.Cluster) {
	c.Failover = cluster.Failover{Exists: true, Version: c.Failover.Version + 1}
}

func TestHandOverIsRefused(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format("2006-01-02T15:04:05Z07:00")
	const (
		pause  = `{"pause": true}`
		sync   = `{"synchronous_mode": true}`
		quorum = `{"synchronous_mode": "quorum"}`
	)
	for name, c := range map[string]struct {
		path, config, body string
		code               int
		text               string
	}{
		"failover without candidate":    {"/failover", `{}`, `{"leader": "db1"}`, 400, "Failover could be performed only to a specific candidate"},
		"switchover without leader":     {"/switchover", `{}`, `{"candidate": "db2"}`, 400, "Switchover could be performed only from a specific leader"},
		"empty texts count as absent":   {"/switchover", `{}`, `{"leader": "", "candidate": null, "member": "db2"}`, 400, "Switchover could be performed only from a specific leader"},
		"wrong type":                    {"/switchover", `{}`, `{"leader": 1}`, 400, "leader must be a string"},
		"failover scheduled":            {"/failover", `{}`, `{"candidate": "db2", "scheduled_at": "` + tomorrow + `"}`, 400, "Failover can't be scheduled"},
		"scheduled in pause":            {"/switchover", pause, `{"leader": "db1", "candidate": "db2", "scheduled_at": "` + tomorrow + `"}`, 400, "Can't schedule switchover in the paused state"},
		"no time zone":                  {"/switchover", `{}`, `{"leader": "db1", "scheduled_at": "2036-03-01T12:00"}`, 400, "Timezone information is mandatory for the scheduled switchover"},
		"in the past":                   {"/switchover", `{}`, `{"leader": "db1", "scheduled_at": "2016-03-01T12:00+00"}`, 422, "Cannot schedule switchover in the past"},
		"no time":                       {"/switchover", `{}`, `{"leader": "db1", "scheduled_at": "soon"}`, 422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601"},
		"a number is no time":           {"/switchover", `{}`, `{"leader": "db1", "scheduled_at": 5}`, 422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601"},
		"pause without candidate":       {"/switchover", pause, `{"leader": "db1"}`, 400, "Switchover is possible only to a specific candidate in a paused state"},
		"to itself":                     {"/switchover", `{}`, `{"leader": "db1", "candidate": "db1"}`, 400, "Switchover target and source are the same"},
		"failover to itself":            {"/failover", `{}`, `{"leader": "db1", "candidate": "db1"}`, 400, "Switchover target and source are the same"},
		"to itself, scheduled":          {"/switchover", `{}`, `{"leader": "db1", "candidate": "db1", "scheduled_at": "` + tomorrow + `"}`, 400, "Switchover target and source are the same"},
		"other leader":                  {"/switchover", `{}`, `{"leader": "db2"}`, 412, "leader name does not match"},
		"failover from another leader":  {"/failover", `{}`, `{"leader": "db2", "candidate": "db3"}`, 412, "leader name does not match"},
		"candidate not synchronous":     {"/switchover", sync, `{"leader": "db1", "candidate": "db3"}`, 412, "candidate name does not match with sync_standby"},
		"no such candidate":             {"/switchover", `{}`, `{"leader": "db1", "candidate": "db9"}`, 412, "candidate does not exists"},
		"no such candidate, quorum":     {"/switchover", quorum, `{"leader": "db1", "candidate": "db9"}`, 412, "candidate does not exists"},
		"no such candidate, failover":   {"/failover", sync, `{"candidate": "db9"}`, 412, "candidate does not exists"},
		"candidate unreachable":         {"/switchover", `{}`, `{"leader": "db1", "candidate": "db4"}`, 412, "switchover is not possible: no good candidates have been found"},
		"failover to a nofailover node": {"/failover", `{}`, `{"candidate": "db5"}`, 412, "failover is not possible: no good candidates have been found"},
		"failover, watchdog failed":     {"/failover", `{}`, `{"member": "db6"}`, 412, "failover is not possible: no good candidates have been found"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.change(func(v *cluster.Cluster) {
				v.Config.Object = object(t, c.config)
				v.Sync = cluster.SyncState{Leader: "db1", Standbys: []string{"db2"}}
				for _, extra := range []string{"db4", "db5", "db6"} {
					v.Members = append(v.Members, running(extra, cluster.RoleReplica))
				}
			})
			f.peers["db5"] = Candidate{Name: "db5", Reachable: true, NoFailover: true}
			f.peers["db6"] = Candidate{Name: "db6", Reachable: true, WatchdogFailed: true}
			got := send(t, "POST", serve(t, Options{Backend: f}), c.path, c.body)
			if got.code != c.code || got.body != c.text {
				t.Errorf("got %d %q, want %d %q", got.code, got.body, c.code, c.text)
			}
			if f.view.Failover.Exists {
				t.Error("the failover key was written")
			}
		})
	}
}

func TestNobodyToHandOverTo(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                         "switchover is not possible: cluster does not have members except leader",
		`{"synchronous_mode": "on"}`: "switchover is not possible: can not find sync_standby",
	} {
		f := newFake(t)
		f.change(func(v *cluster.Cluster) { v.Members, v.Config.Object = v.Members[:1], object(t, config) })
		got := send(t, "POST", serve(t, Options{Backend: f}), "/switchover", `{"leader": "db1"}`)
		if got.code != 412 || got.body != want {
			t.Errorf("%s: got %d %q, want 412 %q", config, got.code, got.body, want)
		}
	}
}

func TestHandOver(t *testing.T) {
	const sync = `{"synchronous_mode": true}`
	for name, c := range map[string]struct {
		path, config, body string
		react              func(*cluster.Cluster)
		code               int
		text               string
		key                string
	}{
		"switchover":                     {"/switchover", `{}`, `{"leader": "db1", "candidate": "db2"}`, lead("db2"), 200, `Successfully switched over to "db2"`, `{"leader":"db1","member":"db2"}`},
		"to anybody":                     {"/switchover", `{}`, `{"leader": "db1"}`, lead("db3"), 200, `Successfully switched over to "db3"`, `{"leader":"db1"}`},
		"somebody else was faster":       {"/switchover", `{}`, `{"leader": "db1", "member": "db2"}`, lead("db3"), 200, `Switched over to "db3" instead of "db2"`, `{"leader":"db1","member":"db2"}`},
		"failover":                       {"/failover", `{}`, `{"candidate": "db2"}`, lead("db2"), 200, `Successfully failed over to "db2"`, `{"member":"db2"}`},
		"failover, somebody else":        {"/failover", `{}`, `{"candidate": "db2"}`, lead("db3"), 200, `Failed over to "db3" instead of "db2"`, `{"member":"db2"}`},
		"failover with leader":           {"/failover", `{}`, `{"leader": "db1", "candidate": "db2"}`, lead("db2"), 200, `Successfully switched over to "db2"`, `{"leader":"db1","member":"db2"}`},
		"failover with leader, not sync": {"/failover", sync, `{"leader": "db1", "candidate": "db3"}`, lead("db3"), 200, `Successfully failed over to "db3"`, `{"member":"db3"}`},
		"failover with leader, sync":     {"/failover", sync, `{"leader": "db1", "candidate": "db2"}`, lead("db2"), 200, `Successfully switched over to "db2"`, `{"leader":"db1","member":"db2"}`},
		"refused by the leader":          {"/switchover", `{}`, `{"leader": "db1"}`, blank, 503, "Switchover failed", `{"leader":"db1"}`},
		"failover refused":               {"/failover", `{}`, `{"candidate": "db2"}`, blank, 503, "Failover failed", `{"member":"db2"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.change(func(v *cluster.Cluster) {
				v.Config.Object = object(t, c.config)
				v.Sync = cluster.SyncState{Leader: "db1", Standbys: []string{"db2"}}
			})
			f.onFailover = c.react
			got := send(t, "POST", serve(t, Options{Backend: f}), c.path, c.body)
			if got.code != c.code || got.body != c.text {
				t.Errorf("got %d %q, want %d %q", got.code, got.body, c.code, c.text)
			}
			if key := string(f.written.Encode()); key != c.key {
				t.Errorf("got key %s, want %s", key, c.key)
			}
			if f.wakes.Load() != 1 {
				t.Errorf("got %d wakes, want 1", f.wakes.Load())
			}
		})
	}
}

func TestSwitchoverWaitsUntilTheNewLeaderIsWritable(t *testing.T) {
	f := newFake(t)
	f.onFailover = func(v *cluster.Cluster) {
		lead("db2")(v)
		v.Members[1].Data.Role = cluster.RoleReplica // has the lock, promotes
	}
	address := serve(t, Options{Backend: f})
	got := make(chan answer, 1)
	go func() { got <- send(t, "POST", address, "/switchover", `{"leader": "db1"}`) }()
	eventually(t, func() bool { v, _ := f.LoadCluster(t.Context()); return v.LeaderName() == "db2" })
	select {
	case a := <-got:
		t.Fatalf("got %d %q before db2 was writable", a.code, a.body)
	case <-time.After(50 * time.Millisecond): // a wrong answer comes at once
	}
	f.change(lead("db2"))
	if a := <-got; a.code != 200 || a.body != `Successfully switched over to "db2"` {
		t.Errorf("got %d %q, want success", a.code, a.body)
	}
}

func TestViewFromBeforeTheWriteDecidesNothing(t *testing.T) {
	f := newFake(t)
	old := *f.view // no failover key: looks refused
	f.stale = &old
	address := serve(t, Options{Backend: f})
	got := make(chan answer, 1)
	go func() { got <- send(t, "POST", address, "/switchover", `{"leader": "db1"}`) }()
	eventually(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.stale == nil })
	f.change(lead("db3"))
	if a := <-got; a.code != 200 || a.body != `Successfully switched over to "db3"` {
		t.Errorf("got %d %q, want success", a.code, a.body)
	}
}

func TestTakeOverBetweenTwoReadsIsNoRefusal(t *testing.T) {
	f := newFake(t)
	f.onFailover = func(v *cluster.Cluster) { blank(v); v.Leader = nil }
	address := serve(t, Options{Backend: f})
	got := make(chan answer, 1)
	go func() { got <- send(t, "POST", address, "/switchover", `{"leader": "db1"}`) }()
	eventually(t, func() bool { v, _ := f.LoadCluster(t.Context()); return v.LeaderName() == "" })
	f.change(lead("db2"))
	if a := <-got; a.code != 200 || a.body != `Successfully switched over to "db2"` {
		t.Errorf("got %d %q, want success", a.code, a.body)
	}
}

func TestHandOverWriteErrors(t *testing.T) {
	f := newFake(t)
	f.writes = cluster.ErrUnreachable
	address := serve(t, Options{Backend: f})
	got := send(t, "POST", address, "/switchover", `{"leader": "db1"}`)
	if got.code != 503 || got.body != "failed to write failover key into DCS" {
		t.Errorf("got %d %q, want 503", got.code, got.body)
	}
}

// Of two requests at once one is carried out, and the other is told so.
func TestTheSecondHandOverIsRefused(t *testing.T) {
	busy := func(c *cluster.Cluster) {
		c.Failover = cluster.Failover{Leader: "db1", Candidate: "db3", Exists: true, Version: 7}
	}
	for name, c := range map[string]struct {
		path, body string
		before     func(*cluster.Cluster)
		writes     error
		code       int
	}{
		"one is under way":                   {"/switchover", `{"leader": "db1", "candidate": "db2"}`, busy, nil, 409},
		"written in between":                 {"/switchover", `{"leader": "db1", "candidate": "db2"}`, blank, cluster.ErrConflict, 409},
		"a failover in between":              {"/failover", `{"candidate": "db2"}`, blank, cluster.ErrConflict, 409},
		"a failover replaces what is stuck":  {"/failover", `{"candidate": "db2"}`, busy, nil, 200},
		"a scheduled one makes way for this": {"/switchover", `{"leader": "db1", "candidate": "db2"}`, func(c *cluster.Cluster) { busy(c); c.Failover.ScheduledAt = time.Now().Add(time.Hour) }, nil, 200},
	} {
		f := newFake(t)
		f.change(c.before)
		f.writes, f.onFailover = c.writes, lead("db2")
		before := f.view.Failover
		got := send(t, "POST", serve(t, Options{Backend: f}), c.path, c.body)
		if got.code != c.code {
			t.Errorf("%s: got %d %q, want %d", name, got.code, got.body, c.code)
		}
		if c.code == 409 && f.view.Failover != before {
			t.Errorf("%s: the request of the other is %+v now", name, f.view.Failover)
		}
	}
}

func TestHandOverWriteWithoutAnswer(t *testing.T) {
	for name, react := range map[string]func(*cluster.Cluster){
		"written":                 func(*cluster.Cluster) {},
		"written and carried out": lead("db2"),
	} {
		f := newFake(t)
		f.writes, f.onFailover = cluster.ErrOutcomeUnknown, react
		address := serve(t, Options{Backend: f})
		got := make(chan answer, 1)
		go func() { got <- send(t, "POST", address, "/switchover", `{"leader": "db1"}`) }()
		eventually(t, func() bool { return f.wakes.Load() == 1 })
		f.change(lead("db2"))
		if a := <-got; a.code != 200 {
			t.Errorf("%s: got %d %q, want 200", name, a.code, a.body)
		}
	}
}

func TestTraceParent(t *testing.T) {
	for header, want := range map[string]string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		`x","member":"db3`: "",
	} {
		f := newFake(t)
		f.onFailover = lead("db2")
		send(t, "POST", serve(t, Options{Backend: f}), "/switchover", `{"leader": "db1"}`, "traceparent", header)
		if f.written.TraceParent != want {
			t.Errorf("got %q, want %q", f.written.TraceParent, want)
		}
	}
}

func TestScheduledSwitchover(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Minute)
	steps := []struct {
		name, method, body string
		code               int
		text               string
	}{
		{"nothing to delete", "DELETE", "", 404, "no switchover is scheduled"},
		{"schedule, nothing is checked yet", "POST", `{"leader": "x", "candidate": "y", "scheduled_at": "` + at.Format("2006-01-02 15:04Z") + `"}`, 202, "Switchover scheduled"},
		{"replace", "POST", `{"leader": "db1", "scheduled_at": "` + at.Format("2006-01-02T15:04+00") + `"}`, 202, "Switchover scheduled"},
		{"delete", "DELETE", "", 200, "scheduled switchover deleted"},
		{"again", "DELETE", "", 404, "no switchover is scheduled"},
	}
	for _, s := range steps {
		if got := send(t, s.method, address, "/switchover", s.body); got.code != s.code || got.body != s.text {
			t.Errorf("%s: got %d %q, want %d %q", s.name, got.code, got.body, s.code, s.text)
		}
		if s.name == "replace" && (!f.view.Failover.ScheduledAt.Equal(at) || f.view.Failover.Leader != "db1") {
			t.Errorf("got %+v, want db1 at %v", f.view.Failover, at)
		}
	}
	f.change(func(v *cluster.Cluster) { v.Failover = cluster.Failover{Leader: "db1", Exists: true} })
	if got := send(t, "DELETE", address, "/switchover", ""); got.code != 404 {
		t.Errorf("request in flight: got %d, want 404", got.code)
	}
	f.change(func(v *cluster.Cluster) {
		v.Failover = cluster.Failover{Leader: "db1", ScheduledAt: at, Exists: true, Version: 4}
	})
	f.mu.Lock()
	f.writes = cluster.ErrConflict
	f.mu.Unlock()
	if got := send(t, "DELETE", address, "/switchover", ""); got.code != 409 {
		t.Errorf("lost race: got %d, want 409", got.code)
	}
}
