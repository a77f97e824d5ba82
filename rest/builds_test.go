package rest

import (
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestBuildEvents(t *testing.T) {
	at := time.Unix(1000, 0)
	step := func(method string, attempt int, phase string, done, total int64) *cluster.Build {
		return &cluster.Build{Method: method, Attempt: attempt, Phase: phase, Done: done, Total: total}
	}
	failed := step("basebackup", 2, "", 0, 0)
	failed.Failed = []cluster.BuildFailure{{Method: "tape", Reason: "no tape"}}
	var b buildStory
	for i, c := range []struct {
		after time.Duration
		build *cluster.Build
		want  string // part of the event; "" for none
	}{
		{0, nil, ""},
		{0, step("tape", 1, "", 0, 0), `"from":null,"to":{"method":"tape","attempt":1`},
		{time.Second, step("tape", 1, "", 0, 0), ""},
		{0, failed, `"failed":[{"method":"tape","reason":"no tape"}]`},
		{10 * time.Millisecond, step("basebackup", 2, "copy", 0, 100), ""}, // too soon
		{time.Second, step("basebackup", 2, "copy", 3, 100), `"phase":"copy","bytes_done":3,"bytes_total":100,"percent":3`},
		{time.Second, step("basebackup", 2, "copy", 9, 100), ""},
		{0, step("basebackup", 2, "copy", 11, 100), `"percent":11`},
		{time.Second, step("basebackup", 2, "wal", 11, 100), `"phase":"wal"`},
		{0, step("basebackup", 2, "wal", 100, 100), ""},
		{0, nil, `"percent":100`}, // the end tells how far it came
		{0, nil, ""},
		{0, step("dump", 1, "", 0, 0), `"method":"dump"`},
		{time.Second, step("dump", 1, "", 1000, 0), `"bytes_done":1000`},
		{time.Second, step("dump", 1, "", 1020, 0), ""},
		{time.Second, step("dump", 1, "", 1030, 0), `"bytes_done":1030`},
	} {
		at = at.Add(c.after)
		ch, ok := b.look(&cluster.NodeStatus{Name: "db1", Build: c.build}, at)
		text := ""
		if ok {
			text = ch.data.String()
		}
		if ok != (c.want != "") || !strings.Contains(text, c.want) || ok && ch.kind != "build" {
			t.Errorf("step %d: got %q, want %q", i, text, c.want)
		}
	}
}
