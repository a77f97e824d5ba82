package rest

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/client"
)

// TestClientAgainstServer lets the two halves of the interface meet.
func TestClientAgainstServer(t *testing.T) {
	f := newFake(t)
	f.onFailover = lead("db2")
	f.schedule = func(RestartRequest) error { f.planned = true; return nil }
	f.outcome.Leader = "db1"
	url := "http://" + serve(t, Options{Backend: f, Settings: Settings{Username: "u", Password: "p"}}) + "/patroni"
	c := client.New(client.Options{Username: "u", Password: "p"})
	t.Cleanup(c.Close)
	ctx := t.Context()

	peers := c.Ask(ctx, []cluster.Member{{Name: "db1", Data: cluster.MemberData{APIURL: url}}})
	want := client.Peer{
		Name: "db1", Reachable: true, State: cluster.StateRunning, Role: cluster.RolePrimary,
		Primary: true, Position: 4096, Timeline: 1, FailoverPriority: 1,
	}
	if len(peers) != 1 || peers[0] != want {
		t.Errorf("got %+v, want %+v", peers, want)
	}
	if alive, id := c.Alive(ctx, url); !alive || id != "i-1" {
		t.Errorf("got %v %q, want an agent with id i-1", alive, id)
	}
	if o, err := c.PatchConfig(ctx, url, object(t, `{"ttl": 40}`)); err != nil || o.String() != `{"loop_wait":10,"ttl":40}` {
		t.Errorf("got %v, %v; want the patched configuration", o, err)
	}
	if o, err := c.GetConfig(ctx, url); err != nil || o.String() != `{"loop_wait":10,"ttl":40}` {
		t.Errorf("got %v, %v; want the patched configuration", o, err)
	}
	if r, err := c.Switchover(ctx, url, client.Handover{Leader: "db1", Candidate: "db2"}); err != nil || r.Code != 200 || r.Text != `Successfully switched over to "db2"` {
		t.Errorf("got %+v, %v; want success", r, err)
	}
	if r, err := c.Restart(ctx, url, client.Restart{Role: "primary", Timeout: time.Minute}); err != nil || r.Text != "restarted successfully" {
		t.Errorf("got %+v, %v; want success", r, err)
	}
	if r, err := c.Restart(ctx, url, client.Restart{Schedule: "2099-01-01T00:00:00+00:00"}); err != nil || r.Text != "Restart scheduled" {
		t.Errorf("got %+v, %v; want Restart scheduled", r, err)
	}
	if r, err := c.CancelRestart(ctx, url); err != nil || r.Text != "scheduled restart deleted" {
		t.Errorf("got %+v, %v; want scheduled restart deleted", r, err)
	}
	if o, err := c.WhatIf(ctx, url, "db2", "db3"); err != nil || o.Get("leader") != "db1" {
		t.Errorf("got %v, %v; want db1 to lead", o, err)
	}
	if o, err := c.Cluster(ctx, url); err != nil || cluster.Text(o.Get("scope")) != "shop" {
		t.Errorf("got %v, %v; want the cluster", o, err)
	}
	stranger := client.New(client.Options{})
	t.Cleanup(stranger.Close)
	if r, err := stranger.Reload(ctx, url); err != nil || r.Code != 401 {
		t.Errorf("got %+v, %v; want 401", r, err)
	}
}
