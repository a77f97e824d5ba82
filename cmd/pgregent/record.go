package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/fence"
	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/observability"
	"github.com/pgregent/pgregent/rest"
	"github.com/pgregent/pgregent/rest/client"
)

// recordLimit bounds the last words to the disk and to the collector.
const recordLimit = time.Second

// recording is what an agent notes of failovers, and where.
type recording struct {
	*observability.Recorder
	flight  *observability.Flight // nil: the file cannot be used
	tracing *observability.Tracing
	former  *agent.Former
	phases  *observability.Phases
	log     func(msg string, args ...any)
}

// newRecording never fails: an agent without a record is better than none.
func (n *node) newRecording(local *config.Local) *recording {
	r := &recording{log: n.log.Warn, phases: n.phases}
	var err error
	if r.flight, err = observability.OpenFlight(local.StateDir); err != nil {
		r.log("the record of failovers is not kept", "err", err)
	}
	r.tracing, err = observability.NewTracing(context.Background(), observability.TracingOptions{
		Endpoint: local.Tracing.Endpoint, Protocol: local.Tracing.Protocol, Headers: local.Tracing.Headers, Getenv: os.Getenv,
		Scope: local.Scope, Member: local.Name, Version: version, Logger: n.log,
	})
	if err != nil {
		r.log("there are no traces", "err", err)
	}
	boot, _ := bootID() // "" is never equal to a written one
	r.former = formerAgent(local.StateDir, boot)
	r.Recorder = observability.NewRecorder(observability.RecorderOptions{
		Flight: r.flight, Tracing: r.tracing, Observe: n.phases.Observe, Logger: n.log,
		Leading: func(epoch cluster.Epoch) error {
			return observability.SaveLeading(local.StateDir, observability.Leading{Epoch: epoch, At: time.Now(), BootID: boot})
		},
	})
	return r
}

// formerAgent is what the agent before this one has left; nil if it did not
// lead when it ended.
func formerAgent(dir, boot string) *agent.Former {
	l, f := observability.LoadLastWord(dir)
	if l.Epoch == 0 {
		return nil
	}
	return &agent.Former{Epoch: l.Epoch, Last: l.At, Rebooted: l.BootID != boot, Fenced: f.At, FencedFor: f.Why}
}

// Cycle counts a round of the loop.
func (r *recording) Cycle(rule string, took time.Duration) { r.phases.Cycle(rule, took) }

// close writes what waits. It comes last, and is bounded.
func (r *recording) close() {
	ctx, cancel := context.WithTimeout(context.Background(), recordLimit)
	defer cancel()
	r.Close(ctx)
	if err := r.tracing.Shutdown(ctx); err != nil {
		r.log("the last spans did not reach the collector", "err", err)
	}
	if r.flight != nil {
		_ = r.flight.Close() // every entry was synced
	}
}

// entries are this member's notes.
func (r *recording) entries() []record.Entry {
	if r.flight == nil {
		return nil
	}
	return r.flight.Entries()
}

// records shows all members' notes to the REST API.
func (r *recording) records(present func() *client.Client) *rest.Records {
	return &rest.Records{Local: r.entries, Peers: func(ctx context.Context, members []cluster.Member) []rest.PeerRecord {
		answers := present().Records(ctx, members)
		out := make([]rest.PeerRecord, len(answers))
		for i, a := range answers {
			out[i] = rest.PeerRecord{Name: a.Name, Entries: a.Entries, Err: a.Err}
		}
		return out
	}}
}

// noteKill keeps what the fence did for the next agent. It is called after
// the deed.
func noteKill(dir, what string) {
	if why, killed := strings.CutPrefix(what, fence.KilledPrefix); killed {
		// Without the note the next agent knows less; there is nobody to tell.
		_ = observability.SaveFenced(dir, observability.Fenced{At: time.Now(), Why: why})
	}
}
