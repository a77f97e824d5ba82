package config

import (
	"log/slog"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Local is one node's own configuration: the YAML file with the environment
// merged over it. It does not change after Load.
type Local struct {
	Scope     string
	Name      string
	Namespace string
	// StateDir holds what a restarted agent needs to go on (the ZooKeeper
	// session). It must not be inside the data directory, which base backups
	// copy. Default: .pgregent-<name> beside the data directory.
	StateDir string

	RESTAPI RESTAPI
	// RESTAccess says who may call the REST API, Ctl how agents call each other.
	RESTAccess RESTAccess
	Ctl        Ctl
	ZooKeeper  ZooKeeper
	Fence      Fence
	Watchdog   Watchdog
	// Bootstrap is nil if the section is absent: the node then never
	// bootstraps a cluster.
	Bootstrap *Bootstrap
	Tags      cluster.Tags
	Log       Log
	Tracing   Tracing
	// Plugins are the entries of the plugins section.
	Plugins []Plugin

	// postgresql is the local postgresql section, the source of Postgres.
	postgresql *cluster.Object
	// root is all that was read, the environment included.
	root *cluster.Object
	// started is the root that the agent has started with; nil before the
	// first reload.
	started *cluster.Object
	// where and file tell findings where keys were written.
	where map[string]position
	file  string
	// path and home are PATH and HOME of the environment that Load was given.
	path, home string
}

// RESTAPI is the restapi section.
type RESTAPI struct {
	// Listen is host:port; an empty host means all addresses.
	Listen string
	// ConnectAddress is host:port as other members reach it.
	ConnectAddress string
	// Username and Password protect the calls that change something; both
	// empty: no protection.
	Username string
	Password string
}

// ZooKeeper is the zookeeper section.
type ZooKeeper struct {
	// Hosts are host:port.
	Hosts []string
	// Chroot is the path after the last host, "" or "/path".
	Chroot string
	// TickTime is the ensemble's tickTime, which a client cannot see; it
	// enters the lease arithmetic. Native key tick_time, default 2 s.
	TickTime time.Duration
	// AuthData maps a scheme ("digest") to its credential.
	AuthData map[string]string
	// TLS is nil for connections that are not encrypted.
	TLS *ZooKeeperTLS
	// ACL is put on every znode of the cluster that is made; none: open to all.
	ACL []ACL
}

// FenceMode says what happens without a fence process.
type FenceMode string

// The modes: without a fence, required does not lead, preferred leads and
// warns, off never starts one.
const (
	FenceRequired  FenceMode = "required"
	FencePreferred FenceMode = "preferred"
	FenceOff       FenceMode = "off"
)

// Fence is the native fence section.
type Fence struct {
	// Mode is FenceRequired by default.
	Mode FenceMode
	// TakeoverWait is how long the fence waits for another agent after its
	// own has gone, before it stops PostgreSQL; bounded by the lease.
	// Default 5 s.
	TakeoverWait time.Duration
}

// WatchdogMode says what happens without a usable watchdog device.
type WatchdogMode string

// The modes: off never uses one, automatic uses it where it can, required
// does not lead without.
const (
	WatchdogOff       WatchdogMode = "off"
	WatchdogAutomatic WatchdogMode = "automatic"
	WatchdogRequired  WatchdogMode = "required"
)

// Watchdog is the watchdog section.
type Watchdog struct {
	// Mode is WatchdogAutomatic by default.
	Mode WatchdogMode
	// Device is /dev/watchdog by default.
	Device string
	// Testing means driver: testing, where Device is a FIFO.
	Testing bool
	// SafetyMargin is subtracted from the ttl; negative: half the ttl.
	// Default 5 s.
	SafetyMargin time.Duration
}

// Bootstrap is the bootstrap section.
type Bootstrap struct {
	// DCS is the first dynamic configuration.
	DCS    *cluster.Object
	Initdb []Option
	// PgHba lines are appended once after initdb when postgresql.pg_hba is
	// not used.
	PgHba []string
	// PostBootstrap is a command line, run once with the connection string
	// as its last argument; "" for none.
	PostBootstrap string
	// Method makes the data directory; nil: initdb does.
	Method *Method
}

// Option is a command-line option: --Key, or --Key=Value if HasValue.
type Option struct {
	Key      string
	Value    string
	HasValue bool
}

// Log is the log section.
type Log struct {
	Level slog.Level
	// JSON selects one JSON object a line instead of text.
	JSON bool
	// Dir is where the log file is; "": the log goes to standard error. It is
	// rotated at FileSize bytes, FileNum old ones are kept, Mode is their
	// permission, 0 for the umask's, and Queue lines may wait for the disk.
	Dir      string
	FileSize int64
	FileNum  int
	Mode     int
	Queue    int
	// Fields are added to each record.
	Fields []Parameter
}

// Credentials are one entry of postgresql.authentication.
type Credentials struct {
	Username string
	Password string
	// HasPassword tells an empty password from a missing key.
	HasPassword bool
	// SSL holds the other words (sslmode, sslcert, ...), by name.
	SSL map[string]string
}

// Parameter is one PostgreSQL setting.
type Parameter struct{ Name, Value string }

// Postgres is the effective postgresql section: local over dynamic over
// defaults. It is a value; a change of configuration makes a new one.
type Postgres struct {
	// Scope and Name are the cluster's and the member's.
	Scope string
	Name  string

	ListenAddresses string // as in listen_addresses, comma separated
	Port            int
	ConnectHost     string
	ConnectPort     int
	ProxyAddress    string
	DataDir         string
	ConfigDir       string
	BinDir          string // "" : search PATH
	BinName         map[string]string
	PgPass          string
	Database        string
	UseUnixSocket   bool
	// KrbSrvName is the Kerberos service name of replication connections.
	KrbSrvName string

	Superuser   Credentials
	Replication Credentials
	Rewind      Credentials

	// Controlled are passed on the postmaster's command line, in order, and
	// are the same on all nodes (config.md 6.1). listen_addresses, port and
	// cluster_name are included.
	Controlled []Parameter
	// Parameters go into postgresql.conf, sorted by name.
	Parameters []Parameter
	// RecoveryConf are extra recovery settings of standbys, sorted by name.
	RecoveryConf []Parameter
	// PgHba and PgIdent are the whole content of the files; nil: leave them.
	PgHba      []string
	PgIdent    []string
	CustomConf string

	UseSlots    bool
	UsePgRewind bool
	// StandbyCluster is the dynamic section; nil if there is none.
	StandbyCluster *cluster.StandbyCluster
	BaseBackup     []Option
	PgCtlTimeout   time.Duration
	// RetryTimeout is the dynamic retry_timeout.
	RetryTimeout time.Duration
	Site         Site
}
