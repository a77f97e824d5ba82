package plugins

import (
	"time"

	"github.com/pgregent/pgregent/plugins/proto"
)

// Spec is one plugin as configured.
type Spec struct {
	// Name is the key in the plugins section.
	Name string
	// Command is the program and its arguments.
	Command []string
	// Trusted means that the program is the agent itself, whose file needs no
	// check.
	Trusted bool
	// SHA256 is the checksum that the file must have, in hexadecimal digits; ""
	// for any.
	SHA256 string
	// Settings is a JSON object.
	Settings []byte
	// Environment is added to PATH, HOME, LANG and TMPDIR: NAME takes the
	// value of the agent's environment, NAME=value is as written.
	Environment []string
	// StartTimeout bounds the start with its handshake; 0: 10 s. CallTimeout
	// bounds short calls; 0: 5 s.
	StartTimeout, CallTimeout time.Duration
	Limits                    Limits
}

// Limits are resource limits of a plugin's process and what it starts.
type Limits struct {
	// Nice is added to the priority, 0 to 19.
	Nice int
	// IOClass is "", "idle" or "best-effort"; IOLevel is 0 to 7.
	IOClass string
	IOLevel int
	// Memory bounds the data of each process in bytes; 0: no bound.
	Memory uint64
}

const (
	defaultStart = 10 * time.Second
	defaultCall  = 5 * time.Second
)

func (s Spec) startTimeout() time.Duration {
	if s.StartTimeout > 0 {
		return s.StartTimeout
	}
	return defaultStart
}

func (s Spec) callTimeout() time.Duration {
	if s.CallTimeout > 0 {
		return s.CallTimeout
	}
	return defaultCall
}

// Info is what a plugin says of itself.
type Info struct {
	Name, Version string
	// Protocol is the version that was agreed on.
	Protocol     int
	Capabilities []proto.Capability
	Settings     []*proto.Setting
}
