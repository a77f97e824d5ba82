package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

const (
	// failsafeLimit bounds a round of questions: the lease runs meanwhile.
	failsafeLimit = time.Second
	// accepted is the only body that counts.
	accepted = "Accepted"
	// promiseHeader tells in seconds how long a peer of ours will not race.
	promiseHeader = "X-Pgregent-Promise"
)

// FailsafeCall is what a leader that lost the store says of itself.
type FailsafeCall struct {
	Name    string
	ConnURL string
	APIURL  string
	// Slots are positions by slot name, the leader's own among them.
	Slots map[string]cluster.LSN
}

func (f FailsafeCall) body() []byte {
	slots := &cluster.Object{}
	for _, name := range slices.Sorted(maps.Keys(f.Slots)) {
		slots.Set(name, json.Number(strconv.FormatUint(uint64(f.Slots[name]), 10)))
	}
	o := &cluster.Object{}
	o.Set("name", f.Name)
	o.Set("conn_url", f.ConnURL)
	o.Set("api_url", f.APIURL)
	o.Set("slots", slots)
	return []byte(o.String())
}

// FailsafeAnswer is what one member answered.
type FailsafeAnswer struct {
	Name string
	// Accepted means that it will not race; Err says why not.
	Accepted bool
	Err      string
	// For is how long it will not; 0 if it did not say: for its ttl.
	For time.Duration
	// LSN is its last known position, 0 if it did not say.
	LSN cluster.LSN
}

// Failsafe asks one member not to race. Only 200 with the body "Accepted"
// counts.
func (c *Client) Failsafe(ctx context.Context, apiURL string, f FailsafeCall) (FailsafeAnswer, error) {
	ctx, cancel := quick(ctx)
	defer cancel()
	r, err := c.do(ctx, call{method: http.MethodPost, apiURL: apiURL, path: "/failsafe", body: f.body()})
	if err != nil {
		return FailsafeAnswer{}, err
	}
	if r.Code != http.StatusOK || r.Text != accepted {
		return FailsafeAnswer{}, &StatusError{r}
	}
	a := FailsafeAnswer{Accepted: true}
	lsn, _ := strconv.ParseUint(r.header.Get("lsn"), 10, 64) // 0: unknown
	a.LSN = cluster.LSN(lsn)
	if text := r.header.Get(promiseHeader); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds > 0) || seconds > math.MaxInt32 {
			return FailsafeAnswer{}, fmt.Errorf("read promise: %q is not a number of seconds", text)
		}
		a.For = time.Duration(seconds * float64(time.Second))
	}
	return a, nil
}

// AskFailsafe asks all targets, names to api_urls, in parallel. It returns
// one answer for each, ordered by name, within a second.
func (c *Client) AskFailsafe(ctx context.Context, targets map[string]string, f FailsafeCall) []FailsafeAnswer {
	ctx, cancel := context.WithTimeoutCause(ctx, failsafeLimit, fmt.Errorf("no answer within %v: %w", failsafeLimit, context.DeadlineExceeded))
	defer cancel()
	names := slices.Sorted(maps.Keys(targets))
	answers := make([]FailsafeAnswer, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			a, err := c.Failsafe(ctx, targets[name], f)
			if err != nil {
				a.Err = err.Error()
			}
			a.Name = name
			answers[i] = a
		})
	}
	all.Wait()
	return answers
}
