package cluster

import "time"

// Build is a data directory that is being made.
type Build struct {
	// Method is the one that is tried now, Attempt counts the attempts of all
	// methods from 1.
	Method  string
	Attempt int
	// Phase is one word, Message a sentence.
	Phase, Message string
	// Done and Total are bytes; Total is 0 if not known.
	Done, Total int64
	Since       time.Time
	// Failed are the methods that were tried before, in order.
	Failed []BuildFailure
}

// BuildFailure is why a method did not work.
type BuildFailure struct{ Method, Reason string }

// Percent is how far the build is, from 0 to 100; -1 if that is not known.
func (b Build) Percent() int {
	if b.Total <= 0 {
		return -1
	}
	return int(min(100, max(0, b.Done*100/b.Total)))
}

// Summary is what the member key says of the build: the method, how far it is,
// and the names of the methods that did not work.
func (b Build) Summary() *Object {
	o := &Object{}
	o.Set("method", b.Method)
	o.Set("attempt", b.Attempt)
	if b.Phase != "" {
		o.Set("phase", b.Phase)
	}
	o.Set("bytes_done", b.Done)
	if b.Total > 0 {
		o.Set("bytes_total", b.Total)
		o.Set("percent", b.Percent())
	}
	if len(b.Failed) > 0 {
		names := make([]any, 0, len(b.Failed))
		for _, f := range b.Failed {
			names = append(names, f.Method)
		}
		o.Set("failed", names)
	}
	return o
}

// SameStep reports that two builds are at the same method, or that neither is
// under way.
func SameStep(a, b *Build) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Method == b.Method && a.Attempt == b.Attempt
}

// BuildSpec is one piece of work for a replica method or a bootstrap method
// that is a plugin.
type BuildSpec struct {
	// Bootstrap makes a new cluster, else a replica.
	Bootstrap bool
	Method    string
	DataDir   string
	BinDir    string
	Programs  map[string]string
	// Source and Conninfo name the server to copy from, PassFile has its
	// passwords; all "" if there is none.
	Source, Conninfo, PassFile string
	Options                    []BuildOption
	Attempt                    int
}

// BuildOption is a key of a method; Bare means without value.
type BuildOption struct {
	Key, Value string
	Bare       bool
}

// BuildPlan is what a method that is a plugin would do.
type BuildPlan struct {
	// KeepData means that it works with what is in the directory.
	KeepData bool
	// NoSource means that it needs no running server.
	NoSource bool
	Total    int64
	Message  string
}

// Command is a command line of the configuration to be run.
type Command struct {
	// What says which one it is, as in "before_stop".
	What string
	Line string
	// Args are appended, Env is added to the environment.
	Args, Env []string
	DataDir   string
}

// Event is something that callbacks are called for.
type Event struct {
	// Action is on_start, on_stop, on_restart, on_reload or on_role_change.
	Action        string
	OldRole, Role Role
	// Epoch is of the leadership that was known then, 0 if none.
	Epoch    Epoch
	LSN      LSN
	Timeline Timeline
	At       time.Time
	// TraceParent is the change of leaders that it belongs to, as a W3C
	// traceparent; "" if it belongs to none.
	TraceParent string
}

// Route is where clients belong.
type Route struct {
	Epoch Epoch
	// Primary is nil while there is none.
	Primary  *Endpoint
	Replicas []Endpoint
	// TraceParent is as in Event.
	TraceParent string
}

// Endpoint is a member as clients reach it.
type Endpoint struct {
	Name, Host string
	Port       int
}
