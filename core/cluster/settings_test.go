package cluster

import (
	"slices"
	"testing"
	"time"
)

func TestSettingsWithoutConfiguration(t *testing.T) {
	for name, o := range map[string]*Object{"absent": nil, "empty": {}, "nulls": object(t, `{"ttl":null,"pause":null,"synchronous_mode":null,"postgresql":null}`)} {
		s, warnings := ParseSettings(o)
		if s != DefaultSettings() || len(warnings) > 0 {
			t.Errorf("%s: got %+v, %q", name, s, warnings)
		}
	}
	want := Settings{
		TTL: 30 * time.Second, LoopWait: 10 * time.Second, RetryTimeout: 10 * time.Second, MaximumLagOnFailover: 1048576,
		PrimaryStartTimeout: 300 * time.Second, MemberSlotsTTL: 30 * time.Minute, SynchronousMode: "off", SynchronousNodeCount: 1, UseSlots: true,
	}
	if got := DefaultSettings(); got != want {
		t.Errorf("defaults: got %+v, want %+v", got, want)
	}
}

func TestSettingsAsWritten(t *testing.T) {
	for text, change := range map[string]func(*Settings){
		`{"ttl":60}`:                   func(s *Settings) { s.TTL = time.Minute },
		`{"ttl":"60"}`:                 func(s *Settings) { s.TTL = time.Minute },
		`{"ttl":"1min"}`:               func(s *Settings) { s.TTL = time.Minute },
		`{"loop_wait":1}`:              func(s *Settings) { s.LoopWait = time.Second },
		`{"retry_timeout":3}`:          func(s *Settings) { s.RetryTimeout = 3 * time.Second },
		`{"primary_start_timeout":0}`:  func(s *Settings) { s.PrimaryStartTimeout = 0 },
		`{"master_start_timeout":5}`:   func(s *Settings) { s.PrimaryStartTimeout = 5 * time.Second },
		`{"primary_stop_timeout":"7"}`: func(s *Settings) { s.PrimaryStopTimeout = 7 * time.Second },
		`{"master_stop_timeout":8}`:    func(s *Settings) { s.PrimaryStopTimeout = 8 * time.Second },
		`{"primary_start_timeout":9,"master_start_timeout":5}`:    func(s *Settings) { s.PrimaryStartTimeout = 9 * time.Second },
		`{"member_slots_ttl":"2h"}`:                               func(s *Settings) { s.MemberSlotsTTL = 2 * time.Hour },
		`{"member_slots_ttl":0}`:                                  func(s *Settings) { s.MemberSlotsTTL = 0 },
		`{"maximum_lag_on_failover":9007199254740993}`:            func(s *Settings) { s.MaximumLagOnFailover = 1<<53 + 1 },
		`{"maximum_lag_on_failover":"0"}`:                         func(s *Settings) { s.MaximumLagOnFailover = 0 },
		`{"max_timelines_history":3}`:                             func(s *Settings) { s.MaxTimelinesHistory = 3 },
		`{"synchronous_mode":true}`:                               func(s *Settings) { s.SynchronousMode = "on" },
		`{"synchronous_mode":"on"}`:                               func(s *Settings) { s.SynchronousMode = "on" },
		`{"synchronous_mode":"QUORUM"}`:                           func(s *Settings) { s.SynchronousMode = "quorum" },
		`{"synchronous_mode":"off"}`:                              func(*Settings) {},
		`{"pause":true,"failsafe_mode":"yes","check_timeline":1}`: func(s *Settings) { s.Pause, s.FailsafeMode, s.CheckTimeline = true, true, true },
		`{"postgresql":{"use_slots":false,"use_pg_rewind":"on","remove_data_directory_on_rewind_failure":true,"remove_data_directory_on_diverged_timelines":true}}`: func(s *Settings) {
			s.UseSlots, s.UsePgRewind, s.RemoveOnRewindFailure, s.RemoveOnDivergence = false, true, true, true
		},
		`{"use_slots":false,"unknown":1}`: func(*Settings) {}, // at the wrong level
	} {
		want := DefaultSettings()
		change(&want)
		if got, warnings := ParseSettings(object(t, text)); got != want || len(warnings) > 0 {
			t.Errorf("%s:\ngot  %+v, %q\nwant %+v", text, got, warnings, want)
		}
	}
}

func TestSettingsRepaired(t *testing.T) {
	for text, c := range map[string]struct {
		change   func(*Settings)
		warnings []string
	}{
		`{"ttl":"abc"}`:                     {func(*Settings) {}, []string{`ttl: "abc" is not a number of seconds; 30s is used`}},
		`{"ttl":true}`:                      {func(*Settings) {}, []string{`ttl: "True" is not a number of seconds; 30s is used`}},
		`{"ttl":99999999999999}`:            {func(*Settings) {}, []string{`ttl: "99999999999999" is not a number of seconds; 30s is used`}},
		`{"retry_timeout":4e9}`:             {func(*Settings) {}, []string{`retry_timeout: "4e9" is not a number of seconds; 10s is used`}},
		`{"loop_wait":0}`:                   {func(s *Settings) { s.LoopWait = time.Second }, []string{`loop_wait: "0" is below the minimum; 1s is used`}},
		`{"retry_timeout":-1}`:              {func(s *Settings) { s.RetryTimeout = time.Second }, []string{`retry_timeout: "-1" is below the minimum; 1s is used`}},
		`{"member_slots_ttl":"-1"}`:         {func(s *Settings) { s.MemberSlotsTTL = 0 }, []string{`member_slots_ttl: "-1" is below the minimum; 0s is used`}},
		`{"maximum_lag_on_failover":"1MB"}`: {func(*Settings) {}, []string{`maximum_lag_on_failover: "1MB" is not an integer; 1048576 is used`}},
		`{"maximum_lag_on_failover":-1}`:    {func(s *Settings) { s.MaximumLagOnFailover = 0 }, []string{`maximum_lag_on_failover: "-1" is below the minimum; 0 is used`}},
		`{"max_timelines_history":-1}`:      {func(*Settings) {}, []string{`max_timelines_history: "-1" is below the minimum; 0 is used`}},
		`{"pause":"maybe"}`:                 {func(*Settings) {}, []string{`pause: "maybe" is not a boolean; false is used`}},
		`{"synchronous_mode":"both"}`:       {func(*Settings) {}, []string{`synchronous_mode: "both" is not a boolean; false is used`}},
		`{"postgresql":{"use_slots":[]}}`:   {func(*Settings) {}, []string{`use_slots: "[]" is not a boolean; true is used`}},
		`{"ttl":"x","pause":"y"}`: {func(*Settings) {}, []string{
			`ttl: "x" is not a number of seconds; 30s is used`, `pause: "y" is not a boolean; false is used`,
		}},
	} {
		want := DefaultSettings()
		c.change(&want)
		if got, warnings := ParseSettings(object(t, text)); got != want || !slices.Equal(warnings, c.warnings) {
			t.Errorf("%s:\ngot  %+v, %q\nwant %+v, %q", text, got, warnings, want, c.warnings)
		}
	}
}

func TestTimeoutsFitTheTTL(t *testing.T) {
	for text, want := range map[string]struct {
		ttl, loopWait, retryTimeout int
		warnings                    int
	}{
		`{"ttl":30,"loop_wait":10,"retry_timeout":10}`: {30, 10, 10, 0}, // exactly
		`{"ttl":30,"loop_wait":11,"retry_timeout":10}`: {30, 10, 10, 1},
		`{"ttl":20}`: {20, 1, 9, 1},
		`{"ttl":20,"loop_wait":3,"retry_timeout":"20"}`: {20, 1, 9, 1},
		`{"ttl":21,"loop_wait":2,"retry_timeout":10}`:   {21, 1, 10, 1}, // the shortest loop_wait
		`{"ttl":21,"loop_wait":1,"retry_timeout":10}`:   {21, 1, 10, 0},
		`{"ttl":5,"loop_wait":1,"retry_timeout":2}`:     {5, 1, 2, 0},
		`{"ttl":5}`: {5, 1, 2, 1},
		`{"ttl":4,"loop_wait":1,"retry_timeout":1}`: {5, 1, 1, 1}, // below the minimum
		`{"ttl":1}`:         {5, 1, 2, 2},
		`{"loop_wait":100}`: {30, 10, 10, 1},
		`{"retry_timeout":2000000000,"loop_wait":2000000000}`:  {30, 1, 14, 1},
		`{"ttl":600,"loop_wait":60,"retry_timeout":100}`:       {600, 60, 100, 0},
		`{"ttl":"x","loop_wait":11}`:                           {30, 10, 10, 2},
		`{"ttl":30,"loop_wait":"abc","retry_timeout":"13min"}`: {30, 1, 14, 2},
	} {
		s, warnings := ParseSettings(object(t, text))
		seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
		if s.TTL != seconds(want.ttl) || s.LoopWait != seconds(want.loopWait) || s.RetryTimeout != seconds(want.retryTimeout) || len(warnings) != want.warnings {
			t.Errorf("%s: got %v, %v, %v, %q, want %v", text, s.TTL, s.LoopWait, s.RetryTimeout, warnings, want)
		}
		if s.LoopWait+2*s.RetryTimeout > s.TTL {
			t.Errorf("%s: %v + 2*%v is more than %v", text, s.LoopWait, s.RetryTimeout, s.TTL)
		}
	}
	_, warnings := ParseSettings(object(t, `{"ttl":20}`))
	if want := "loop_wait + 2*retry_timeout must not exceed ttl 20s; loop_wait 1s and retry_timeout 9s are used"; warnings[0] != want {
		t.Errorf("got %q, want %q", warnings[0], want)
	}
}

func TestSettingsLeaveTheConfigurationAlone(t *testing.T) {
	const text = `{"ttl":"1","loop_wait":100,"postgresql":{"use_slots":"no"}}`
	o := object(t, text)
	ParseSettings(o)
	if got := o.String(); got != text {
		t.Errorf("the configuration became %s", got)
	}
}

func TestParseSeconds(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, " 30 ": 30 * time.Second, "-1": -time.Second,
		"500us": 500 * time.Microsecond, "1500ms": 1500 * time.Millisecond, "30s": 30 * time.Second, "30 s": 30 * time.Second,
		"5min": 5 * time.Minute, "2h": 2 * time.Hour, "1d": 24 * time.Hour,
	} {
		if got, err := ParseSeconds(in); err != nil || got != want {
			t.Errorf("%q: got %v (%v), want %v", in, got, err, want)
		}
	}
	for _, in := range []any{nil, "", "s", "abc", "30S", "30MIN", "30 sec", "1h30min", "0.5h", "30m", true, []any{}, "9999999999", "-9999999999", "99999999d"} {
		if got, err := ParseSeconds(in); err == nil {
			t.Errorf("%v: got %v, want an error", in, got)
		}
	}
}
