package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

const (
	// askLimit bounds a round of questions: an election waits for it.
	askLimit = time.Second
	// aliveLimit bounds the question whether a name is in use.
	aliveLimit = 3 * time.Second
	// maxStatus is the largest status document that is read, in bytes.
	maxStatus = 1 << 20
	// instanceHeader tells one run of an agent of ours from another.
	instanceHeader = "X-Pgregent-Instance"
)

// Peer is what a member says of itself, as peers judge it.
type Peer struct {
	// Name is the member's, as asked for.
	Name string
	// Reachable means that a usable answer came; Err says why not.
	Reachable bool
	Err       string

	State cluster.State
	Role  cluster.Role
	// Primary: it says so, or shows a position that only primaries have.
	Primary bool
	// Position is the larger of what a standby received and replayed, or
	// the flush position of a primary; 0 if unknown.
	Position         cluster.LSN
	Timeline         cluster.Timeline // 0 if unknown
	NoFailover       bool
	FailoverPriority int
	WatchdogFailed   bool
	// Rule is of its last decision, "" for a member that is not of ours.
	Rule string
}

// GetStatus asks one member, at exactly its api_url. The HTTP code does not
// count, only the document does; one without WAL positions is an error.
func (c *Client) GetStatus(ctx context.Context, apiURL string) (Peer, error) {
	if _, err := endpoint(apiURL, "/"); err != nil {
		return Peer{}, err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, apiURL, nil)
	if err != nil {
		return Peer{}, fmt.Errorf("make request: %w", err)
	}
	r, err := c.send(req, maxStatus)
	if err != nil {
		return Peer{}, err
	}
	return parseStatus([]byte(r.Text), c.options.Scope)
}

// Ask asks all members in parallel and returns one answer for each, in their
// order, within a second.
func (c *Client) Ask(ctx context.Context, members []cluster.Member) []Peer {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("no answer within %v: %w", askLimit, context.DeadlineExceeded))
	defer cancel()
	answers := make([]Peer, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() {
			p, err := c.GetStatus(ctx, m.Data.APIURL)
			if err != nil {
				p = Peer{Err: err.Error()}
			}
			p.Name = m.Name
			answers[i] = p
		})
	}
	all.Wait()
	return answers
}

// Alive reports whether anything answers /liveness, whatever the code, and
// the instance id that it gave, "" if it is not one of ours.
func (c *Client) Alive(ctx context.Context, apiURL string) (alive bool, instanceID string) {
	ctx, cancel := context.WithTimeoutCause(ctx, aliveLimit, fmt.Errorf("no answer within %v: %w", aliveLimit, context.DeadlineExceeded))
	defer cancel()
	r, err := c.do(ctx, call{method: http.MethodGet, apiURL: apiURL, path: "/liveness"})
	if err != nil {
		return false, ""
	}
	return true, r.header.Get(instanceHeader)
}

// parseStatus reads a status document, of this or an older release. One of a
// cluster other than scope is an error, one without a scope is not.
func parseStatus(text []byte, scope string) (Peer, error) {
	o, err := cluster.ParseObject(text)
	if err != nil {
		return Peer{}, fmt.Errorf("read status: %w", err)
	}
	if other, _ := o.Object("patroni").Get("scope").(string); other != "" && scope != "" && other != scope {
		return Peer{}, fmt.Errorf("read status: it is of cluster %q, not of %q", other, scope)
	}
	xlog := o.Object("xlog")
	if xlog == nil {
		xlog = o.Object("wal")
	}
	if xlog == nil {
		return Peer{}, errors.New("read status: it shows no WAL position")
	}
	number := func(from *cluster.Object, key string) int64 {
		n, _ := cluster.ParseInt(from.Get(key))
		return max(n, 0)
	}
	word := func(key string) string { s, _ := o.Get(key).(string); return s }
	tags := cluster.NewTags(o.Object("tags"))
	failed, _ := cluster.ParseBool(o.Get("watchdog_failed"))
	p := Peer{
		Reachable: true,
		State:     cluster.State(word("state")), Role: cluster.Role(word("role")),
		Timeline:   cluster.Timeline(number(o, "timeline")),
		NoFailover: tags.NoFailover(), FailoverPriority: tags.FailoverPriority(),
		WatchdogFailed: failed,
	}
	p.Rule, _ = o.Object("pgregent").Get("rule").(string)
	location := number(xlog, "location")
	p.Primary = location > 0 || p.Role == cluster.RolePrimary || p.Role == "master"
	p.Position = cluster.LSN(max(location, number(xlog, "received_location"), number(xlog, "replayed_location")))
	return p, nil
}
