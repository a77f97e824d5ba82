package command

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"

	"github.com/pgregent/pgregent/rest/client"
)

// traceHeader is where an agent confirms the trace of an order.
const traceHeader = "X-Pgregent-Trace"

// traceParent is the W3C trace context of this run's orders: that of the
// environment, as a traced script sets it, or a new one.
func (a *app) traceParent() string {
	for _, e := range a.process.Environ {
		if value, ok := strings.CutPrefix(e, "TRACEPARENT="); ok && value != "" {
			return value
		}
	}
	random := a.process.Random
	if random == nil {
		random = rand.Reader
	}
	id := make([]byte, 24)
	if _, err := io.ReadFull(random, id); err != nil {
		return "" // the agent makes one
	}
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}

// noteTrace keeps the trace that an agent has put an order into. Agents of
// other makes confirm none.
func (a *app) noteTrace(reply client.Reply) {
	if id := reply.Header(traceHeader); id != "" {
		a.trace = id
	}
}

// tellTrace goes to the standard error: what scripts read stays as it is.
func (a *app) tellTrace() {
	if a.trace != "" {
		a.Warn("Trace: %s", a.trace)
	}
}
