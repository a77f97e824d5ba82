package cluster

import (
	"encoding/json"
	"testing"
)

func TestTagRules(t *testing.T) {
	type rules struct {
		noFailover, noSync bool
		priority           int
	}
	for text, want := range map[string]rules{
		`{}`:                                            {priority: 1},
		`{"nofailover":true}`:                           {noFailover: true},
		`{"nofailover":"On"}`:                           {noFailover: true},
		`{"nofailover":1}`:                              {noFailover: true},
		`{"nofailover":false}`:                          {priority: 1},
		`{"nofailover":null}`:                           {priority: 1},
		`{"nofailover":"perhaps"}`:                      {priority: 1},
		`{"failover_priority":0}`:                       {noFailover: true},
		`{"failover_priority":-1}`:                      {noFailover: true},
		`{"failover_priority":"0"}`:                     {noFailover: true},
		`{"failover_priority":5}`:                       {priority: 5},
		`{"failover_priority":"5"}`:                     {priority: 5},
		`{"failover_priority":"high"}`:                  {priority: 1},
		`{"failover_priority":null}`:                    {priority: 1},
		`{"nofailover":true,"failover_priority":5}`:     {noFailover: true},
		`{"nofailover":false,"failover_priority":5}`:    {priority: 5},
		`{"nofailover":false,"failover_priority":0}`:    {priority: 0}, // the boolean wins
		`{"nofailover":"no","failover_priority":-3}`:    {priority: -3},
		`{"nofailover":null,"failover_priority":0}`:     {noFailover: true},
		`{"nofailover":"what","failover_priority":0}`:   {noFailover: true},
		`{"nosync":true}`:                               {noSync: true, priority: 1},
		`{"nosync":"yes","sync_priority":3}`:            {noSync: true, priority: 1},
		`{"nosync":false,"sync_priority":0}`:            {priority: 1},
		`{"sync_priority":0}`:                           {noSync: true, priority: 1},
		`{"sync_priority":-1,"failover_priority":2}`:    {noSync: true, priority: 2},
		`{"NoFailover":true,"no_sync":true,"custom":0}`: {priority: 1},
	} {
		tags := NewTags(object(t, text))
		if got := (rules{tags.NoFailover(), tags.NoSync(), tags.FailoverPriority()}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestTagSwitches(t *testing.T) {
	type switches struct {
		noLoadBalance, noStream, cloneFrom bool
		replicateFrom                      string
	}
	for text, want := range map[string]switches{
		`{}`: {},
		`{"noloadbalance":true,"nostream":true,"clonefrom":true,"replicatefrom":"n2"}`: {true, true, true, "n2"},
		`{"noloadbalance":"on","nostream":1,"clonefrom":"yes"}`:                        {true, true, true, ""},
		`{"noloadbalance":"false","nostream":"off","clonefrom":"false"}`:               {false, false, true, ""}, // truth, not a switch
		`{"clonefrom":0,"nostream":2,"noloadbalance":"x","replicatefrom":5}`:           {},
		`{"clonefrom":"","replicatefrom":null}`:                                        {},
		`{"clonefrom":[]}`:                                                             {},
		`{"clonefrom":{}}`:                                                             {},
		`{"clonefrom":null}`:                                                           {},
		`{"clonefrom":false}`:                                                          {},
		`{"clonefrom":0.0}`:                                                            {},
		`{"clonefrom":-1}`:                                                             {cloneFrom: true},
		`{"clonefrom":[0]}`:                                                            {cloneFrom: true},
	} {
		tags := NewTags(object(t, text))
		if got := (switches{tags.NoLoadBalance(), tags.NoStream(), tags.CloneFrom(), tags.ReplicateFrom()}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestPublishedTags(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: `{}`,
		`{"clonefrom":false,"nofailover":false,"noloadbalance":false,"nosync":false,"nostream":false}`: `{}`,
		`{"nosync":true,"clonefrom":true,"nofailover":"true","nostream":1,"noloadbalance":true}`:       `{"nosync":true,"clonefrom":true,"nofailover":"true","nostream":1,"noloadbalance":true}`,
		`{"clonefrom":0,"nofailover":"","noloadbalance":null,"nosync":0,"nostream":[]}`:                `{}`,
		`{"clonefrom":"false"}`:                                        `{"clonefrom":"false"}`,
		`{"nofailover":false,"failover_priority":2}`:                   `{"nofailover":false,"failover_priority":2}`,
		`{"nosync":false,"sync_priority":0}`:                           `{"nosync":false,"sync_priority":0}`,
		`{"nofailover":false,"sync_priority":0}`:                       `{"sync_priority":0}`,
		`{"zone":"a","empty":"","zero":0,"no":false,"list":[{"k":1}]}`: `{"zone":"a","empty":"","zero":0,"no":false,"list":[{"k":1}]}`,
		`{"replicatefrom":""}`:                                         `{"replicatefrom":""}`,
	} {
		if got := encode(t, NewTags(object(t, in)).Published()); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestNoTags(t *testing.T) {
	var tags Tags
	if tags.Len() != 0 || tags.Object() != nil || tags.NoFailover() || tags.NoSync() || tags.FailoverPriority() != 1 ||
		tags.CloneFrom() || tags.NoLoadBalance() || tags.NoStream() || tags.ReplicateFrom() != "" || tags.Published().Len() != 0 {
		t.Error("the zero value has a tag")
	}
	if got := encode(t, tags); got != "{}" {
		t.Errorf("got %s, want {}", got)
	}
}

func TestParseBool(t *testing.T) {
	for _, v := range []any{true, "true", "True", "ON", "on", "yes", "1", json.Number("1"), 1} {
		if value, ok := ParseBool(v); !value || !ok {
			t.Errorf("%#v: got %v, %v, want true", v, value, ok)
		}
	}
	for _, v := range []any{false, "false", "FALSE", "off", "no", "0", json.Number("0"), 0} {
		if value, ok := ParseBool(v); value || !ok {
			t.Errorf("%#v: got %v, %v, want false", v, value, ok)
		}
	}
	for _, v := range []any{nil, "", "t", "y", "2", "enabled", json.Number("2"), json.Number("1.0"), []any{}, &Object{}} {
		if value, ok := ParseBool(v); value || ok {
			t.Errorf("%#v: got %v, %v, want no boolean", v, value, ok)
		}
	}
}

func TestParseInt(t *testing.T) {
	for _, c := range []struct {
		v    any
		want int64
	}{
		{json.Number("0"), 0},
		{json.Number("-5"), -5},
		{json.Number("9007199254740993"), 1<<53 + 1},
		{json.Number("9223372036854775807"), 1<<63 - 1},
		{json.Number("1e3"), 1000},
		{json.Number("20.0"), 20},
		{"20", 20},
		{" 20\n", 20},
		{"9223372036854775807", 1<<63 - 1},
		{7, 7},
		{int64(8), 8},
	} {
		if got, ok := ParseInt(c.v); !ok || got != c.want {
			t.Errorf("%#v: got %d, %v, want %d", c.v, got, ok, c.want)
		}
	}
	for _, v := range []any{
		nil, true, "", "x", "1x", "1 2", "1.5", "0x10", "9223372036854775808",
		json.Number("9223372036854775808"), json.Number("-1e19"), json.Number("1e300"), json.Number("1e999"),
		[]any{},
		&Object{}, 1.5,
	} {
		if got, ok := ParseInt(v); ok {
			t.Errorf("%#v: got %d, want no integer", v, got)
		}
	}
}
