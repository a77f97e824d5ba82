package rest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestPostFailsafe(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	const body = `{"name": "db2", "conn_url": "postgres://b/", "api_url": "http://b:1/patroni", "slots": {"db2": 4096, "odd": "x"}}`
	if got := send(t, "POST", address, "/failsafe", body); got.code != 502 {
		t.Errorf("failsafe_mode off: got %d %q, want 502", got.code, got.body)
	}
	on := *f.node.Load()
	on.Settings.FailsafeMode = true
	f.node.Store(&on)
	for _, c := range []struct {
		body string
		err  error
		code int
		text string
	}{
		{body, nil, 200, "Accepted"},
		{body, ErrLeading, 500, "Running as a leader"},
		{body, fmt.Errorf("peer: %w", ErrLeading), 500, "Running as a leader"},
		{body, errors.New("db3 leads"), 500, "db3 leads"},
		{`{"name": "db2", "conn_url": "x"}`, nil, 400, "api_url is required"},
		{`{"name": 2}`, nil, 400, "name must be a string"},
	} {
		f.failsafe = func(r FailsafeRequest) (FailsafeGrant, error) {
			want := FailsafeRequest{Name: "db2", ConnURL: "postgres://b/", APIURL: "http://b:1/patroni", Slots: map[string]cluster.LSN{"db2": 4096}}
			if !reflect.DeepEqual(r, want) {
				t.Errorf("got %+v, want %+v", r, want)
			}
			return FailsafeGrant{For: 5500 * time.Millisecond, LSN: 1 << 40}, c.err
		}
		got := send(t, "POST", address, "/failsafe", c.body)
		if got.code != c.code || got.body != c.text {
			t.Errorf("%s: got %d %q, want %d %q", c.body, got.code, got.body, c.code, c.text)
		}
		lsn, promise := got.header.Get("lsn"), got.header.Get("X-Pgregent-Promise")
		if granted := c.code == 200; granted != (lsn == "1099511627776" && promise == "5.5") || !granted && lsn+promise != "" {
			t.Errorf("%s: got lsn %q and promise %q", c.text, lsn, promise)
		}
	}
	f.failsafe = func(FailsafeRequest) (FailsafeGrant, error) { return FailsafeGrant{}, ErrFailsafeOff }
	if got := send(t, "POST", address, "/failsafe", body); got.code != 502 {
		t.Errorf("switched off meanwhile: got %d, want 502", got.code)
	}
}
