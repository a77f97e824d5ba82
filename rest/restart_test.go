package rest

import (
	"errors"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestRestartRequest(t *testing.T) {
	const (
		role    = "PostgreSQL role should be either primary, standby_leader, or replica"
		format  = "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: "
		timeout = "Timeout should be a positive number of seconds"
	)
	standard := RestartRequest{Timeout: 300 * time.Second}
	with := func(f func(*RestartRequest)) *RestartRequest { r := standard; f(&r); return &r }
	for _, c := range []struct {
		body string
		code int
		text string
		want *RestartRequest // nil: not called
	}{
		{``, 200, "restarted successfully", &standard},
		{`{}`, 200, "restarted successfully", &standard},
		{`{"role": "primary"}`, 200, "restarted successfully", with(func(r *RestartRequest) { r.Role = cluster.RolePrimary })},
		{`{"role": "master"}`, 200, "restarted successfully", with(func(r *RestartRequest) { r.Role = cluster.RolePrimary })},
		{`{"role": "replica"}`, 503, "restart conditions are not satisfied", nil},
		{`{"role": "standby_leader"}`, 503, "restart conditions are not satisfied", nil},
		{`{"role": "any"}`, 400, role, nil},
		{`{"postgres_version": "15.5"}`, 200, "restarted successfully", with(func(r *RestartRequest) { r.PostgresVersion = 150005 })},
		{`{"postgres_version": "15.4"}`, 503, "restart conditions are not satisfied", nil},
		{`{"postgres_version": "9.6.3"}`, 503, "restart conditions are not satisfied", nil},
		{`{"postgres_version": "9.6"}`, 400, format + "9.6", nil},
		{`{"postgres_version": "16"}`, 400, format + "16", nil},
		{`{"postgres_version": "1.2.3.4"}`, 400, format + "1.2.3.4", nil},
		{`{"postgres_version": "abc"}`, 400, "Invalid PostgreSQL version: abc", nil},
		{`{"postgres_version": 15.5}`, 400, "Invalid PostgreSQL version: 15.5", nil},
		{`{"timeout": 90}`, 200, "restarted successfully", with(func(r *RestartRequest) { r.Timeout = 90 * time.Second })},
		{`{"timeout": "2min"}`, 200, "restarted successfully", with(func(r *RestartRequest) { r.Timeout = 2 * time.Minute })},
		{`{"timeout": "5000ms"}`, 200, "restarted successfully", with(func(r *RestartRequest) { r.Timeout = 5 * time.Second })},
		{`{"timeout": "400ms"}`, 400, timeout, nil},
		{`{"timeout": 0}`, 400, timeout, nil},
		{`{"timeout": "x"}`, 400, timeout, nil},
		{`{"restart_pending": false}`, 503, "restart conditions are not satisfied", nil},
		{`{"foo": 1, "role": "any"}`, 400, "Unknown filter for the scheduled restart: foo", nil},
		{`{"role": "any", "foo": 1}`, 400, role, nil},
	} {
		f := newFake(t)
		var got *RestartRequest
		f.restart = func(r RestartRequest) error { got = &r; return nil }
		a := send(t, "POST", serve(t, Options{Backend: f}), "/restart", c.body)
		if a.code != c.code || a.body != c.text {
			t.Errorf("%s: got %d %q, want %d %q", c.body, a.code, a.body, c.code, c.text)
		}
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got request %+v, want %+v", c.body, got, c.want)
		}
	}
}

func TestRestartResults(t *testing.T) {
	for err, want := range map[error]string{
		ErrConditions:                      "restart conditions are not satisfied",
		ErrStillStarting:                   "postgres is still starting",
		&BusyError{Action: "reinitialize"}: "reinitialize already in progress",
		errors.New("exit status 1"):        "restart failed",
	} {
		f := newFake(t)
		f.restart = func(RestartRequest) error { return err }
		if got := send(t, "POST", serve(t, Options{Backend: f}), "/restart", ""); got.code != 503 || got.body != want {
			t.Errorf("%v: got %d %q, want 503 %q", err, got.code, got.body, want)
		}
	}
	if got := send(t, "POST", serve(t, Options{Backend: newFake(t)}), "/restart", "[]"); got.code != 400 {
		t.Errorf("array: got %d, want 400", got.code)
	}
	if got := send(t, "DELETE", serve(t, Options{Backend: newFake(t)}), "/restart", ""); got.code != 404 || got.body != "no restarts are scheduled" {
		t.Errorf("got %d %q, want 404", got.code, got.body)
	}
}

func TestReinitialize(t *testing.T) {
	type call struct{ force, fromLeader bool }
	for name, c := range map[string]struct {
		self, leader, body string
		err                error
		code               int
		text               string
		want               *call
	}{
		"standby":                {"db2", "db1", "", nil, 200, "reinitialize started", &call{}},
		"options":                {"db2", "db1", `{"force": "ON", "from_leader": 1}`, nil, 200, "reinitialize started", &call{true, true}},
		"other values are no":    {"db2", "db1", `{"force": "maybe", "from_leader": null}`, nil, 200, "reinitialize started", &call{}},
		"no leader":              {"db2", "", "", nil, 503, "Cluster has no leader, can not reinitialize", nil},
		"leader":                 {"db1", "db1", "", nil, 503, "I am the leader, can not reinitialize", nil},
		"busy":                   {"db2", "db1", "", &BusyError{Action: "restart"}, 503, "restart already in progress", &call{}},
		"other trouble":          {"db2", "db1", "", errors.New("disk"), 503, "reinitialize failed: disk", &call{}},
		"malformed does nothing": {"db2", "db1", `{"force"`, nil, 400, "", nil},
	} {
		f := newFake(t)
		f.change(func(v *cluster.Cluster) { v.Leader = &cluster.Leader{Name: c.leader} })
		next := *f.node.Load()
		next.Name = c.self
		f.node.Store(&next)
		var got *call
		f.reinit = func(force, fromLeader bool) error { got = &call{force, fromLeader}; return c.err }
		a := send(t, "POST", serve(t, Options{Backend: f}), "/reinitialize", c.body)
		if a.code != c.code || c.text != "" && a.body != c.text {
			t.Errorf("%s: got %d %q, want %d %q", name, a.code, a.body, c.code, c.text)
		}
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got call %+v, want %+v", name, got, c.want)
		}
	}
}

func TestScheduledRestart(t *testing.T) {
	const at = "2036-01-01T00:00Z"
	for _, c := range []struct {
		body  string
		code  int
		text  string
		shown string // "": not called
	}{
		{`{"schedule": "` + at + `"}`, 202, "Restart scheduled", `{"schedule":"2036-01-01T00:00:00+00:00"}`},
		{`{"timeout": "2min", "schedule": "2036-01-01 01:00+01", "role": "master", "restart_pending": true}`, 202, "Restart scheduled", `{"timeout":120,"schedule":"2036-01-01T01:00:00+01:00","role":"primary","restart_pending":true}`},
		{`{"role": "replica", "schedule": "` + at + `"}`, 202, "Restart scheduled", `{"role":"replica","schedule":"2036-01-01T00:00:00+00:00"}`},
		{`{"schedule": "2036-01-01T00:00"}`, 400, "Timezone information is mandatory for the scheduled restart", ""},
		{`{"schedule": "2016-01-01T00:00Z"}`, 422, "Cannot schedule restart in the past", ""},
		{`{"schedule": null}`, 422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601", ""},
		{`{"schedule": "` + at + `", "foo": 1}`, 400, "Unknown filter for the scheduled restart: foo", ""},
	} {
		f := newFake(t)
		shown := ""
		f.schedule = func(r RestartRequest) error { shown = r.Shown.String(); return nil }
		a := send(t, "POST", serve(t, Options{Backend: f}), "/restart", c.body)
		if a.code != c.code || a.body != c.text || shown != c.shown {
			t.Errorf("%s: got %d %q and %s, want %d %q and %s", c.body, a.code, a.body, shown, c.code, c.text, c.shown)
		}
	}
	f := newFake(t)
	f.schedule = func(RestartRequest) error { return ErrScheduled }
	server := serve(t, Options{Backend: f})
	if a := send(t, "POST", server, "/restart", `{"schedule": "`+at+`"}`); a.code != 409 || a.body != "Another restart is already scheduled" {
		t.Errorf("second schedule: got %d %q", a.code, a.body)
	}
	f.planned = true
	for _, want := range []struct {
		code int
		text string
	}{{200, "scheduled restart deleted"}, {404, "no restarts are scheduled"}} {
		if a := send(t, "DELETE", server, "/restart", ""); a.code != want.code || a.body != want.text {
			t.Errorf("DELETE: got %d %q, want %d %q", a.code, a.body, want.code, want.text)
		}
	}
	status := *f.node.Load()
	status.Settings.Pause = true
	f.node.Store(&status)
	if a := send(t, "POST", server, "/restart", `{"foo": 1, "schedule": "x"}`); a.code != 500 || a.body != "Can't schedule restart in the paused state" {
		t.Errorf("in pause: got %d %q", a.code, a.body)
	}
}
