package cluster

import "strings"

// Synchronous reports that commits wait for standbys.
func (s Settings) Synchronous() bool { return s.SynchronousMode != "off" }

// Quorum reports that any synchronous_node_count standbys confirm.
func (s Settings) Quorum() bool { return s.SynchronousMode == "quorum" }

// synchronous reads the keys of synchronous replication.
func (p *settingsParser) synchronous(s *Settings) {
	p.synchronousMode(&s.SynchronousMode)
	p.boolean(p.o, "synchronous_mode_strict", &s.SynchronousModeStrict)
	count := int64(s.SynchronousNodeCount)
	p.integer("synchronous_node_count", &count)
	if count < 1 {
		p.warn("synchronous_node_count: %d is below the minimum; 1 is used", count)
		count = 1
	}
	s.SynchronousNodeCount = int(count)
	if v := p.o.Get("maximum_lag_on_syncnode"); v != nil {
		n, ok := ParseInt(v)
		if !ok {
			p.warn("maximum_lag_on_syncnode: %q is not an integer; a lagging standby stays synchronous", Text(v))
		}
		s.MaximumLagOnSyncnode = LSN(max(n, 0)) // -1 switches it off
	}
}

func (p *settingsParser) synchronousMode(dst *string) {
	if strings.EqualFold(Text(p.o.Get("synchronous_mode")), "quorum") {
		*dst = "quorum"
		return
	}
	var on bool
	if p.boolean(p.o, "synchronous_mode", &on); on {
		*dst = "on"
	}
}
