package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

const (
	// recordsLimit bounds the question for all members' notes.
	recordsLimit = 2 * time.Second
	// maxRecords is the longest answer that is read, in bytes.
	maxRecords = 16 << 20
)

// Record are one member's notes of failovers; Err says why there are none.
type Record struct {
	Name    string
	Entries []record.Entry
	Err     string
}

// Records asks all members in parallel and returns one answer for each, in
// their order, within two seconds.
func (c *Client) Records(ctx context.Context, members []cluster.Member) []Record {
	ctx, cancel := context.WithTimeoutCause(ctx, recordsLimit, fmt.Errorf("no answer within %v: %w", recordsLimit, context.DeadlineExceeded))
	defer cancel()
	answers := make([]Record, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() {
			answers[i] = Record{Name: m.Name}
			var err error
			if answers[i].Entries, err = c.records(ctx, m.Data.APIURL); err != nil {
				answers[i].Err = err.Error()
			}
		})
	}
	all.Wait()
	return answers
}

func (c *Client) records(ctx context.Context, apiURL string) ([]record.Entry, error) {
	address, err := endpoint(apiURL, "/failovers/local")
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r, err := c.send(req, maxRecords)
	if err != nil {
		return nil, err
	}
	if r.Code != http.StatusOK { // an agent of another make answers 503
		return nil, fmt.Errorf("ask for the record of failovers: the answer is %d", r.Code)
	}
	var entries []record.Entry
	if err := json.Unmarshal([]byte(r.Text), &entries); err != nil {
		return nil, fmt.Errorf("read the record of failovers: %w", err)
	}
	return entries, nil
}
