package sim

import (
	"fmt"
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// spoilt is a persistent key whose value cannot be understood.
type spoilt struct{ finding string }

// spoilable are the keys that somebody can break by hand.
func spoilable() []string {
	return []string{"config", "failover", "failsafe", "history", "initialize", "status", "sync"}
}

// gibberish is a value that the key's reader cannot understand. What is not
// UTF-8 is nil, as for the adapter's readers.
func gibberish(key string, d dice) []byte {
	if d.chance(0.25) {
		return nil
	}
	switch key {
	case "failover":
		return []byte(pick(d, `{"leader":"n0","scheduled_at":"tomorrow"}`, `{"leader":"n0","member":"n1"`))
	case "history":
		return []byte(pick(d, `{}`, `[[1,"end"`))
	case "initialize":
		return []byte("none")
	case "sync":
		return []byte(pick(d, `{"leader":"n0","sync_stan`, `{"leader":"n0","quorum":-1,"sync_standby":"n1"}`, `[]`))
	}
	return []byte(pick(d, `{"ttl":`, `[]`, `"`))
}

// spoil overwrites a key with such a value, and returns what ends it: unless
// somebody has written the key meanwhile, it gets its former value back.
func (e *ensemble) spoil(key string, d dice) func() {
	text := gibberish(key, d)
	e.w.note("zk", "somebody writes %q to %s", text, key)
	mark, restore := &spoilt{fmt.Sprintf("key %s is not understood", key)}, e.restorer(key)
	e.commit()
	e.parse(key, text)
	e.spoilt[key] = mark
	e.publish(key)
	return func() {
		if e.spoilt[key] == mark {
			restore()
			e.commit()
			e.changed(key)
		}
	}
}

// restorer puts the present value of the key back, in a new version.
func (e *ensemble) restorer(key string) func() {
	r, old := &e.rest, e.rest
	return func() {
		switch key {
		case "config":
			r.Config = cluster.DynamicConfig{Object: old.Config.Object, Version: r.Config.Version + 1, ModifiedZxid: e.zxid + 1}
		case "failover": // nobody knows what it was for
			r.Failover = cluster.Failover{Exists: true, Version: r.Failover.Version + 1}
		case "failsafe":
			r.Failsafe = old.Failsafe
		case "history":
			r.History = old.History
		case "initialize":
			r.Initialize = old.Initialize
		case "status":
			r.Status = old.Status
		case "sync":
			version := r.Sync.Version + 1
			r.Sync = old.Sync
			r.Sync.Exists, r.Sync.Version = true, version
		}
	}
}

// parse is what readers make of text as the value of that key.
func (e *ensemble) parse(key string, text []byte) {
	r := &e.rest
	switch key {
	case "config":
		r.Config = cluster.DynamicConfig{Version: max(r.Config.Version+1, 0)}
	case "failover":
		r.Failover = cluster.ParseFailover(text, max(r.Failover.Version+1, 0))
	case "failsafe":
		r.Failsafe = nil
	case "history":
		r.History = cluster.ParseHistory(text)
	case "initialize":
		value := string(text)
		r.Initialize = &value
	case "status":
		r.Status = cluster.ParseStatus(text)
	case "sync":
		r.Sync = cluster.ParseSync(text, max(r.Sync.Version+1, 0))
		r.Sync.Broken = true // also what is not UTF-8
	}
}

// findings are those of the present state.
func (e *ensemble) findings() (list []string) {
	for _, s := range e.spoilt {
		list = append(list, s.finding)
	}
	slices.Sort(list)
	return list
}

// quiet is what must stay as it is in a cluster that is well.
type quiet struct{ leaders, processes int }

func (w *world) quiet() quiet {
	q := quiet{leaders: w.reign.count}
	for _, n := range w.nodes {
		q.processes += n.pg.gen
	}
	return q
}

// spoilOne breaks one key of a cluster that is well. It returns what looks,
// some time later, that nothing came of it and that the leader has repaired
// what it writes.
func (w *world) spoilOne() (unharmed func()) {
	d := newDice(w.setup.Seed, "spoil")
	key, before := pick(d, spoilable()...), w.quiet()
	w.zk.spoil(key, d)
	return func() {
		if after := w.quiet(); after != before {
			w.violated("I8: since key %s could not be read, %d new leaderships, %d servers ended", key, after.leaders-before.leaders, after.processes-before.processes)
		}
		if w.zk.spoilt[key] != nil && w.mends(key) {
			w.violated("I8: nobody has repaired key %s", key)
		}
	}
}

// mends reports that the leader repairs the key.
func (w *world) mends(key string) bool {
	switch key {
	case "failsafe":
		return w.setup.Settings.FailsafeMode
	case "failover":
		return w.zk.rest.Failover.Pending() || w.zk.rest.Failover.Problem != ""
	case "sync":
		return w.setup.Settings.Synchronous()
	}
	return true
}
