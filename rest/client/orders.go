package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Handover asks for another leader.
type Handover struct {
	// Leader is required for a switchover.
	Leader string
	// Candidate is required for a failover.
	Candidate string
	// ScheduledAt is ISO 8601 with offset, for a switchover; "": now.
	ScheduledAt string
	// TraceParent is a W3C trace context; "" for none.
	TraceParent string
}

func (h Handover) body() []byte {
	o := &cluster.Object{}
	for _, f := range []struct{ key, text string }{
		{"leader", h.Leader}, {"candidate", h.Candidate}, {"scheduled_at", h.ScheduledAt},
	} {
		if f.text != "" {
			o.Set(f.key, f.text)
		}
	}
	return []byte(o.String())
}

// Switchover hands the leadership over in an orderly way. It returns when
// the outcome is known, which takes as long as the agent waits: the context
// is the only limit here. A transport error says nothing about the outcome.
func (c *Client) Switchover(ctx context.Context, apiURL string, h Handover) (Reply, error) {
	return c.do(ctx, call{method: http.MethodPost, apiURL: apiURL, path: "/switchover", body: h.body(), traceParent: h.TraceParent})
}

// CancelSwitchover drops a scheduled switchover.
func (c *Client) CancelSwitchover(ctx context.Context, apiURL string) (Reply, error) {
	ctx, cancel := quick(ctx)
	defer cancel()
	return c.do(ctx, call{method: http.MethodDelete, apiURL: apiURL, path: "/switchover"})
}

// Failover makes the candidate the leader, also without the old one. What
// Switchover says of time and errors applies.
func (c *Client) Failover(ctx context.Context, apiURL string, h Handover) (Reply, error) {
	return c.do(ctx, call{method: http.MethodPost, apiURL: apiURL, path: "/failover", body: h.body(), traceParent: h.TraceParent})
}

// Restart are the filters of a restart.
type Restart struct {
	// Role is primary, standby_leader or replica; "" for any.
	Role string
	// PostgresVersion restarts only servers older than that; "" for any.
	PostgresVersion string
	// Schedule is ISO 8601 with offset; "": now.
	Schedule string
	// Pending restarts only if settings wait for it.
	Pending bool
	// Timeout is how long the start may take; 0 for the cluster's setting.
	Timeout time.Duration
}

func (r Restart) body() []byte {
	o := &cluster.Object{}
	if r.Schedule != "" {
		o.Set("schedule", r.Schedule)
	}
	if r.Role != "" {
		o.Set("role", r.Role)
	}
	if r.PostgresVersion != "" {
		o.Set("postgres_version", r.PostgresVersion)
	}
	if r.Pending {
		o.Set("restart_pending", true)
	}
	if r.Timeout > 0 {
		seconds := max(int64(r.Timeout.Round(time.Second)/time.Second), 1)
		o.Set("timeout", json.Number(strconv.FormatInt(seconds, 10)))
	}
	return []byte(o.String())
}

// Restart restarts PostgreSQL and returns when it is up; the context is the
// only limit.
func (c *Client) Restart(ctx context.Context, apiURL string, r Restart) (Reply, error) {
	return c.do(ctx, call{method: http.MethodPost, apiURL: apiURL, path: "/restart", body: r.body()})
}

// Reinitialize starts to replace the data directory. The reply ends in
// " already in progress" (see [Reply.Busy]) while other work goes on and
// force is not set. With force, that work ends first: the context is the
// only limit.
func (c *Client) Reinitialize(ctx context.Context, apiURL string, force, fromLeader bool) (Reply, error) {
	o := &cluster.Object{}
	o.Set("force", force)
	o.Set("from_leader", fromLeader)
	return c.do(ctx, call{method: http.MethodPost, apiURL: apiURL, path: "/reinitialize", body: []byte(o.String())})
}

// Busy reports that other long work was under way.
func (r Reply) Busy() bool {
	return r.Code == http.StatusServiceUnavailable && strings.HasSuffix(r.Text, " already in progress")
}

// Reload has the agent read its local configuration again.
func (c *Client) Reload(ctx context.Context, apiURL string) (Reply, error) {
	ctx, cancel := quick(ctx)
	defer cancel()
	return c.do(ctx, call{method: http.MethodPost, apiURL: apiURL, path: "/reload"})
}

// GetConfig returns the dynamic configuration, or a *StatusError.
func (c *Client) GetConfig(ctx context.Context, apiURL string) (*cluster.Object, error) {
	return c.object(ctx, call{method: http.MethodGet, apiURL: apiURL, path: "/config"})
}

// PatchConfig merges patch into the dynamic configuration and returns the
// result, or a *StatusError; its code is 409 if somebody else was faster.
func (c *Client) PatchConfig(ctx context.Context, apiURL string, patch *cluster.Object) (*cluster.Object, error) {
	return c.object(ctx, call{method: http.MethodPatch, apiURL: apiURL, path: "/config", body: []byte(patch.String())})
}

// Cluster returns the topology, or a *StatusError.
func (c *Client) Cluster(ctx context.Context, apiURL string) (*cluster.Object, error) {
	return c.object(ctx, call{method: http.MethodGet, apiURL: apiURL, path: "/cluster"})
}

// object makes a call that is answered 200 with a JSON object.
func (c *Client) object(ctx context.Context, k call) (*cluster.Object, error) {
	ctx, cancel := quick(ctx)
	defer cancel()
	r, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if r.Code != http.StatusOK {
		return nil, &StatusError{r}
	}
	return cluster.ParseObject([]byte(r.Text))
}
