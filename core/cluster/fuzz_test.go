package cluster

import (
	"reflect"
	"testing"
	"unicode/utf8"
)

// What a fuzz target checks after the first reading: the value that comes
// from canonical text must give that text again. Facts that are not written
// (the version, a reason without its restart) drop out at the first writing.
func stable[T any](t *testing.T, first T, write func(T) []byte, read func([]byte) T) {
	t.Helper()
	text := write(first)
	for _, b := range text {
		if b >= utf8.RuneSelf || b == '\n' {
			t.Fatalf("written bytes are not one line of ASCII: %q", text)
		}
	}
	second := read(text)
	again := write(second)
	if string(again) != string(text) {
		t.Fatalf("written %s, then %s", text, again)
	}
	if third := read(again); !reflect.DeepEqual(third, second) {
		t.Fatalf("read %+v, then %+v", second, third)
	}
}

func mustEncode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := EncodeJSON(v)
	if err != nil {
		t.Fatalf("encode %+v: %v", v, err)
	}
	return b
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"ttl":30,"postgresql":{"parameters":{"a":"b"}},"l":[1,{"b":null}]}`, `{"a":1e3,"b":-0,"a":9007199254740993}`,
		`{"é":"\ud83d\ude00\ud800"}`, `{"a":1}{`, `{"a":[1}`, `[{}]`, `{"a":"` + "\xff" + `"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := ParseObject(text)
		if err != nil {
			if o != nil {
				t.Fatalf("error %v with %v", err, o)
			}
			return
		}
		write := func(o *Object) []byte { return mustEncode(t, o) }
		stable(t, o, write, func(b []byte) *Object {
			o, err := ParseObject(b)
			if err != nil {
				t.Fatalf("parse own text %s: %v", b, err)
			}
			return o
		})
		if back, _ := ParseObject(write(o)); !reflect.DeepEqual(back, o) {
			t.Fatalf("got %v, want %v", back, o)
		}
		if c := o.Clone(); !reflect.DeepEqual(c, o) {
			t.Fatalf("the clone of %v is %v", o, c)
		}
		s, _ := ParseSettings(o)
		if s.LoopWait < 0 || s.RetryTimeout < 0 || s.LoopWait+2*s.RetryTimeout > s.TTL {
			t.Fatalf("settings of %v do not fit: %+v", o, s)
		}
	})
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":[1]}}`), []byte(`{"a":null,"b":{"c":"x","d":null}}`))
	f.Add([]byte(`{"a":20}`), []byte(`{"a":"20","new":{"x":null}}`))
	f.Fuzz(func(t *testing.T, old, patch []byte) {
		o, err := ParseObject(old)
		if err != nil {
			return
		}
		p, err := ParseObject(patch)
		if err != nil {
			return
		}
		before, given := o.String(), p.String()
		changed := o.Patch(p)
		if changed == (o.String() == before) {
			t.Fatalf("patch %s on %s gave %v, changed %v", given, before, o, changed)
		}
		if p.String() != given {
			t.Fatalf("the patch %s became %v", given, p)
		}
	})
}

func FuzzParseMember(f *testing.F) {
	for _, s := range []string{
		`{"conn_url":"postgres://h:5432/postgres","api_url":"http://h:8008/patroni","state":"running","role":"primary","version":"4.1.4","tags":{"a":1},"xlog_location":67109376,"timeline":1}`,
		`{"checkpoint_after_promote":false,"pending_restart":"on","pending_restart_reason":{"a":{}},"xlog_location":"-1","scheduled_restart":{"a":1},"pause":true}`,
		`postgres://u@h:5432/db?application_name=http://h:8008/patroni`, `{"conn_kwargs":{"host":"::1","port":1e3}}`, `postgres%`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func(b []byte) MemberData { return ParseMember("n0", b).Data }
		d := read(text)
		if _, port, ok := d.Address(); ok && port < 0 {
			t.Fatalf("%q has port %d", d.ConnURL, port)
		}
		if d.Tags.NoFailover() && d.Tags.FailoverPriority() != 0 {
			t.Fatalf("nofailover with a priority: %v", d.Tags.Object())
		}
		stable(t, d, func(d MemberData) []byte { return mustEncode(t, d) }, read)
	})
}

func FuzzParseFailover(f *testing.F) {
	for _, s := range []string{
		`{}`, `n0:n1`, `:n1`, `{"leader":"n0","member":"n1","scheduled_at":"2030-01-01T10:00:00.123456+03:00"}`,
		`{"member":"n1","scheduled_at":"2030-01-01 10:00Z","traceparent":"00-1-2-01"}`, `{"scheduled_at":"soon"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first := ParseFailover(text, 1)
		if first.Problem != "" && first.Pending() {
			t.Fatalf("a request with a problem is pending: %+v", first)
		}
		write := func(v Failover) []byte { return v.Encode() }
		stable(t, first, write, func(b []byte) Failover {
			v := ParseFailover(b, 1)
			if v.Problem != "" {
				t.Fatalf("own text %s: %s", b, v.Problem)
			}
			return v
		})
	})
}

func FuzzParseSync(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"leader":"n0","quorum":1,"sync_standby":"n1,n2"}`, `{"leader":"n0","quorum":"2","sync_standby":" n2,,n1"}`, `{"leader":"n0","sync_standby":["n1"]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := ParseSync(text, 1)
		if !s.Active() && (s.Quorum != 0 || s.Standbys != nil) {
			t.Fatalf("not active, but %+v", s)
		}
		stable(t, s, func(s SyncState) []byte { return s.Encode() }, func(b []byte) SyncState { return ParseSync(b, 1) })
	})
}

func FuzzParseStatus(f *testing.F) {
	for _, s := range []string{
		`67109376`, `-1`, `{"optime":"67109376","slots":"{\"a\":1}","retain_slots":"[\"b\",\"a\"]"}`, `{"optime":9223372036854775807,"slots":{"b":-1,"a":1e3}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := ParseStatus(text)
		if s.Optime > 1<<63-1 {
			t.Fatalf("position %d", s.Optime)
		}
		stable(t, s, func(s Status) []byte { return s.Encode() }, ParseStatus)
	})
}

func FuzzParseHistory(f *testing.F) {
	for _, s := range []string{
		`[]`, `[[1,25623960,"no recovery target specified","2026-01-02T03:04:05.678901+02:00","n1"]]`, `[["1","2",null],[2,3,"r","t"]]`, `[[1,-1,"r"]]`, `[] x`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		stable(t, ParseHistory(text), func(h History) []byte { return mustEncode(t, h) }, ParseHistory)
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("2030-01-01T10:00:00+03:00")
	f.Add("2030-01-01 10:00+24")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTime(s)
		if err != nil {
			return
		}
		const form = "2006-01-02T15:04:05.999999999Z07:00"
		back, err := ParseTime(at.Format(form))
		if err != nil || !back.Equal(at) {
			t.Fatalf("%q is %v, read back as %v (%v)", s, at, back, err)
		}
	})
}
