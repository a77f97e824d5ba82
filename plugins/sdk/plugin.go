package sdk

import (
	"context"
	"time"
)

// Plugin is what a plugin is and can do. Of the abilities at least one must
// be set.
type Plugin struct {
	Name, Version string
	// Settings is a pointer to a struct with the defaults, which Serve fills
	// from the configuration; nil if there are none. See [Schema] for the
	// tags.
	Settings any
	// Check looks at the settings after they were decoded; may be nil. An
	// error keeps the plugin from being used.
	Check func() error
	// Health is asked while nothing is to be done; may be nil.
	Health func(context.Context) error

	Replica   Builder
	Bootstrap Builder
	Callback  Callback
	Router    Router
}

// Builder fills a data directory: with a copy of the cluster (Replica) or with
// a new cluster (Bootstrap).
type Builder interface {
	// Plan says what Run would do. It changes nothing and returns soon.
	Plan(ctx context.Context, b Build) (Plan, error)
	// Run does the work and returns nil when the directory can be started. When
	// ctx ends it must end everything that touches the directory and return.
	Run(ctx context.Context, b Build, p *Progress) error
}

// Verifier is a Builder that can look at what it made.
type Verifier interface {
	Verify(ctx context.Context, b Build) error
}

// Callback is told what happened to the node.
type Callback interface {
	// Notify deals with one event. ctx ends at the event's deadline, or when a
	// newer event has come.
	Notify(ctx context.Context, e Event) error
}

// Router leads clients to the right members. The SDK refuses routes that are
// older than one already seen.
type Router interface {
	// Update says where clients are to be led from now on.
	Update(ctx context.Context, r Route) error
	// Drain says that the primary is about to be switched over.
	Drain(ctx context.Context, r Route) error
}

// Build is one piece of work of a Builder.
type Build struct {
	ID, Cluster, Node string
	// Method is the name under which the method was configured.
	Method  string
	DataDir string
	// BinDir has PostgreSQL's programs; "": they are on PATH.
	BinDir string
	// Programs are names of programs that differ from the usual.
	Programs map[string]string
	// Source is the server to copy from; nil if there is none.
	Source *Source
	// Options are the method's keys in the order of the configuration.
	Options []Option
	Role    string
	// Attempt counts from 1.
	Attempt int
}

// Source is a server to copy from.
type Source struct {
	Name string
	// Conninfo is a libpq connection string without a password.
	Conninfo string
	// PassFile holds the passwords; "" if none is needed.
	PassFile string
}

// Option is a key of a method's configuration; Bare means without value.
type Option struct {
	Key, Value string
	Bare       bool
}

// Option returns the value of a key, "" if it is not set.
func (b Build) Option(key string) string {
	for _, o := range b.Options {
		if o.Key == key {
			return o.Value
		}
	}
	return ""
}

// Plan is what Run would do.
type Plan struct {
	// KeepData means that Run works with what is in the directory.
	KeepData bool
	// NoSource means that no running server is needed.
	NoSource bool
	// BytesTotal is the expected size, 0 if not known.
	BytesTotal int64
	Message    string
}

// Event is what happened to the node.
type Event struct {
	// Action is on_start, on_stop, on_restart, on_reload or on_role_change.
	Action        string
	Cluster, Node string
	OldRole, Role string
	// Epoch is of the leadership that was known, 0 if none.
	Epoch    int64
	LSN      uint64
	Timeline uint32
	At       time.Time
	// Sequence counts the events of one agent's life.
	Sequence int64
}

// Route is where clients belong.
type Route struct {
	Cluster, Node string
	// Epoch and Sequence order the routes.
	Epoch, Sequence int64
	// Primary is nil while there is none.
	Primary  *Endpoint
	Replicas []Endpoint
}

// Endpoint is a member as clients reach it.
type Endpoint struct {
	Name, Host string
	Port       int
}
