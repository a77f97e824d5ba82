package postgres

import (
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// withStandbyCluster are the configured recovery settings with those of the
// standby_cluster section, which win. The delay is the leader's alone: what
// follows it gets the log late anyway.
func withStandbyCluster(cfg config.Postgres, up *cluster.Upstream) []config.Parameter {
	sc := cfg.StandbyCluster
	if sc == nil {
		return cfg.RecoveryConf
	}
	list := slices.Clone(cfg.RecoveryConf)
	set := func(name, value string) {
		if value == "" {
			return
		}
		list = slices.DeleteFunc(list, func(p config.Parameter) bool { return p.Name == name })
		list = append(list, config.Parameter{Name: name, Value: value})
	}
	set("restore_command", sc.RestoreCommand)
	set("archive_cleanup_command", sc.ArchiveCleanupCommand)
	if up != nil && up.Remote != nil {
		set("recovery_min_apply_delay", sc.RecoveryMinApplyDelay)
	}
	return list
}

// slotOn is the replication slot that a standby streams through, "" for none.
// On a server outside only the configured one is there.
func slotOn(cfg config.Postgres, up *cluster.Upstream) string {
	switch {
	case up != nil && up.Remote != nil:
		return up.Remote.SlotName
	case cfg.UseSlots:
		return cluster.SlotName(cfg.Name)
	}
	return ""
}

// remote is the server that the standby cluster follows; nil if there is none.
func (s *Server) remote() *cluster.Upstream {
	if sc := s.config().StandbyCluster; sc != nil {
		return sc.Upstream()
	}
	return nil
}

// mustRestart reports that a reload is not enough to follow up: in old
// versions a running server keeps its restore_command.
func (s *Server) mustRestart(up *cluster.Upstream) bool {
	cfg := s.config()
	major, err := majorVersion(cfg.DataDir)
	if err != nil || has(major, reloadableRestore) {
		return false
	}
	s.mu.Lock()
	known, old := s.followKnown, s.following
	s.mu.Unlock()
	command := func(up *cluster.Upstream) string {
		if up == nil || up.Remote == nil {
			value, _ := parameter(cfg.RecoveryConf, "restore_command")
			return value
		}
		return up.Remote.RestoreCommand
	}
	return known && command(old) != command(up)
}
