package cluster

// Role is what a node is to the cluster, as written in member keys and shown
// by the REST API.
type Role string

// The roles. Releases of Patroni before 4.0 write "master" for primary;
// [Member.IsPrimary] reads both.
const (
	RolePrimary       Role = "primary"
	RoleReplica       Role = "replica"
	RoleStandbyLeader Role = "standby_leader"
	RoleDemoted       Role = "demoted"
	RolePromoted      Role = "promoted"
	RoleUninitialized Role = "uninitialized"
)

// State is what the local PostgreSQL is doing, as written in member keys.
type State string

// The states, in the order of their metric numbers.
const (
	StateInitializing    State = "initializing new cluster"
	StateInitdbFailed    State = "initdb failed"
	StateCustomBootstrap State = "running custom bootstrap script"
	StateCustomFailed    State = "custom bootstrap failed"
	StateCreatingReplica State = "creating replica"
	StateRunning         State = "running"
	StateStarting        State = "starting"
	StateStartingCustom  State = "starting after custom bootstrap"
	StateStartFailed     State = "start failed"
	StateRestarting      State = "restarting"
	StateRestartFailed   State = "restart failed"
	StateStopping        State = "stopping"
	StateStopped         State = "stopped"
	StateStopFailed      State = "stop failed"
	StateCrashed         State = "crashed"
	StateUnknown         State = "unknown"
)

// Index returns the number that Patroni's patroni_postgres_state metric uses
// for s, or -1.
func (s State) Index() int {
	for i, known := range []State{
		StateInitializing, StateInitdbFailed, StateCustomBootstrap,
		StateCustomFailed, StateCreatingReplica, StateRunning, StateStarting,
		StateStartingCustom, StateStartFailed, StateRestarting,
		StateRestartFailed, StateStopping, StateStopped, StateStopFailed,
		StateCrashed,
	} {
		if s == known {
			return i
		}
	}
	return -1
}
