package cluster

import (
	"fmt"
	"strings"
	"time"
)

// Settings are the dynamic settings in force: the config key over the
// defaults, repaired where values do not fit together.
type Settings struct {
	// TTL is the ZooKeeper session timeout that is asked for.
	TTL time.Duration
	// LoopWait bounds how stale anything may be; it is not what anybody
	// waits for.
	LoopWait time.Duration
	// RetryTimeout bounds one store or PostgreSQL operation with retries.
	RetryTimeout time.Duration
	// MaximumLagOnFailover is in bytes.
	MaximumLagOnFailover LSN
	CheckTimeline        bool
	// PrimaryStartTimeout is how long a crashed primary may take to come
	// back before somebody else takes over; 0: at once.
	PrimaryStartTimeout time.Duration
	// PrimaryStopTimeout limits a stop in synchronous mode; 0: no limit.
	PrimaryStopTimeout  time.Duration
	MaxTimelinesHistory int
	MemberSlotsTTL      time.Duration
	SynchronousMode     string // "off", "on" or "quorum"
	// SynchronousModeStrict lets commits wait when no standby can confirm.
	SynchronousModeStrict bool
	// SynchronousNodeCount is how many standbys confirm a commit, at least 1.
	SynchronousNodeCount int
	// MaximumLagOnSyncnode is in bytes; 0: a lagging standby stays.
	MaximumLagOnSyncnode LSN
	FailsafeMode         bool
	Pause                bool
	UseSlots             bool
	UsePgRewind          bool
	// RemoveOnRewindFailure and RemoveOnDivergence allow the data directory
	// to be replaced by a fresh copy.
	RemoveOnRewindFailure bool
	RemoveOnDivergence    bool
	// Slots is nil if no permanent and no ignored slots are configured.
	Slots *SlotSettings
	// StandbyCluster is nil unless the cluster follows a server outside.
	StandbyCluster *StandbyCluster
}

// MinTTL is the shortest session timeout that is accepted, in seconds.
// Patroni's own minimum is 20; ours is bounded by what the lease arithmetic
// leaves (reference: core/lease).
const MinTTL = 5

// DefaultSettings are the values of keys that nobody set.
func DefaultSettings() Settings {
	return Settings{
		TTL: 30 * time.Second, LoopWait: 10 * time.Second, RetryTimeout: 10 * time.Second,
		MaximumLagOnFailover: 1 << 20, PrimaryStartTimeout: 300 * time.Second,
		MemberSlotsTTL: 1800 * time.Second, SynchronousMode: "off", SynchronousNodeCount: 1, UseSlots: true,
	}
}

// ParseSettings reads the dynamic configuration over the defaults. warnings
// has one sentence for each value that was not used as written.
func ParseSettings(o *Object) (s Settings, warnings []string) {
	s = DefaultSettings()
	p := settingsParser{o: o}
	p.seconds("ttl", &s.TTL, MinTTL)
	p.seconds("loop_wait", &s.LoopWait, 1)
	p.seconds("retry_timeout", &s.RetryTimeout, 1)
	lag := int64(s.MaximumLagOnFailover)
	p.integer("maximum_lag_on_failover", &lag)
	s.MaximumLagOnFailover = LSN(lag)
	p.boolean(o, "check_timeline", &s.CheckTimeline)
	p.seconds(p.newer("primary_start_timeout", "master_start_timeout"), &s.PrimaryStartTimeout, 0)
	p.seconds(p.newer("primary_stop_timeout", "master_stop_timeout"), &s.PrimaryStopTimeout, 0)
	var rows int64
	p.integer("max_timelines_history", &rows)
	s.MaxTimelinesHistory = int(rows)
	p.seconds("member_slots_ttl", &s.MemberSlotsTTL, 0)
	p.boolean(o, "failsafe_mode", &s.FailsafeMode)
	p.boolean(o, "pause", &s.Pause)
	p.synchronous(&s)
	if s.StandbyCluster = ParseStandbyCluster(o); s.StandbyCluster != nil {
		s.SynchronousMode = "off" // ignored: nobody commits here
	}
	pg := o.Object("postgresql")
	p.boolean(pg, "use_slots", &s.UseSlots)
	p.boolean(pg, "use_pg_rewind", &s.UsePgRewind)
	p.boolean(pg, "remove_data_directory_on_rewind_failure", &s.RemoveOnRewindFailure)
	p.boolean(pg, "remove_data_directory_on_diverged_timelines", &s.RemoveOnDivergence)
	s.Slots = p.slotSettings()
	p.fit(&s)
	return s, p.warnings
}

type settingsParser struct {
	o        *Object
	warnings []string
}

func (p *settingsParser) warn(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}

func (p *settingsParser) newer(key, old string) string {
	if !p.o.Has(key) && p.o.Has(old) {
		return old
	}
	return key
}

func (p *settingsParser) seconds(key string, dst *time.Duration, least int64) {
	v := p.o.Get(key)
	if v == nil {
		return
	}
	d, err := ParseSeconds(v)
	if err != nil {
		p.warn("%s: %q is not a number of seconds; %v is used", key, Text(v), *dst)
		return
	}
	if d < time.Duration(least)*time.Second {
		d = time.Duration(least) * time.Second
		p.warn("%s: %q is below the minimum; %v is used", key, Text(v), d)
	}
	*dst = d
}

func (p *settingsParser) integer(key string, dst *int64) {
	v := p.o.Get(key)
	if v == nil {
		return
	}
	n, ok := ParseInt(v)
	if !ok {
		p.warn("%s: %q is not an integer; %d is used", key, Text(v), *dst)
		return
	}
	if n < 0 {
		n = 0
		p.warn("%s: %q is below the minimum; 0 is used", key, Text(v))
	}
	*dst = n
}

func (p *settingsParser) boolean(o *Object, key string, dst *bool) {
	v := o.Get(key)
	if v == nil {
		return
	}
	b, ok := ParseBool(v)
	if !ok {
		p.warn("%s: %q is not a boolean; %v is used", key, Text(v), *dst)
		return
	}
	*dst = b
}

// fit enforces loop_wait + 2*retry_timeout <= ttl on this private copy.
func (p *settingsParser) fit(s *Settings) {
	if s.LoopWait+2*s.RetryTimeout <= s.TTL {
		return
	}
	if time.Second+2*s.RetryTimeout > s.TTL {
		s.RetryTimeout = ((s.TTL - time.Second) / 2).Truncate(time.Second)
		s.LoopWait = time.Second
	} else {
		s.LoopWait = s.TTL - 2*s.RetryTimeout
	}
	p.warn("loop_wait + 2*retry_timeout must not exceed ttl %v; loop_wait %v and retry_timeout %v are used", s.TTL, s.LoopWait, s.RetryTimeout)
}

// ParseSeconds reads a whole number of seconds, or a number with one of
// PostgreSQL's time units (us ms s min h d).
func ParseSeconds(v any) (time.Duration, error) {
	if n, ok := ParseInt(v); ok {
		return times(n, time.Second)
	}
	text := strings.TrimSpace(Text(v))
	units := []struct {
		name string
		unit time.Duration
	}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"min", time.Minute}, {"s", time.Second}, {"h", time.Hour}, {"d", 24 * time.Hour}}
	for _, u := range units {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			if n, ok := ParseInt(strings.TrimSpace(digits)); ok {
				return times(n, u.unit)
			}
		}
	}
	return 0, fmt.Errorf("%q is not a duration", text)
}

// times refuses more than some 73 years, so that the sum of a few durations
// still fits.
func times(n int64, unit time.Duration) (time.Duration, error) {
	const limit = time.Duration(1 << 61)
	if most := int64(limit / unit); n < -most || n > most {
		return 0, fmt.Errorf("%d times %v is out of range", n, unit)
	}
	return time.Duration(n) * unit, nil
}
