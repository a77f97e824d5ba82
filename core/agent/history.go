package agent

import (
	"context"
	"errors"
	"io/fs"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/record"
)

// writeHistory appends the row of the present timeline when it is missing,
// and keeps what older rows say. Two servers that were promoted apart give
// their timelines the same number, so each new leader compares the rows once,
// also when the number is right.
func (h *housekeeper) writeHistory(ctx context.Context, v *decide.View) error {
	old := v.Cluster.History
	current := old.ClusterTimeline() == v.Instance.Timeline
	if current && h.compared == v.Lease.Epoch {
		return nil
	}
	next, err := h.nextHistory(ctx, v, old)
	if current && errors.Is(err, fs.ErrNotExist) {
		err, next = nil, old // archived and removed: there is nothing to compare with
	}
	if err == nil && current && next.SameForks(old) {
		h.compared = v.Lease.Epoch
		return nil
	}
	p := h.a.story.during(record.History)
	if err == nil {
		err = h.a.o.Store.SetHistory(ctx, next)
	}
	h.a.story.historyDone(p, v.Instance.Timeline, err)
	return err
}

// nextHistory is what the key should hold now.
func (h *housekeeper) nextHistory(ctx context.Context, v *decide.View, old cluster.History) (cluster.History, error) {
	rows, err := h.a.o.Postgres.TimelineHistory(ctx)
	if err != nil {
		return nil, err
	}
	why, _ := h.a.ledBy.Load().(string)
	merged := mergeHistory(old, rows, v.Self, why)
	if n := v.Settings.MaxTimelinesHistory; n > 0 && len(merged) > n {
		merged = merged[len(merged)-n:]
	}
	return merged, nil
}

// mergeHistory takes the rows of PostgreSQL's own file and what the key says
// of them. The newest row is this leader's: why is how it came to lead, which
// says more than PostgreSQL's "no recovery target specified"; "" if unknown.
func mergeHistory(old, rows cluster.History, self, why string) cluster.History {
	merged := make(cluster.History, 0, len(rows))
	for i, row := range rows {
		for _, e := range old {
			if e.Timeline == row.Timeline && e.LSN == row.LSN {
				row.At, row.NewLeader = e.At, e.NewLeader
				if e.Reason != "" {
					row.Reason = e.Reason
				}
			}
		}
		if i == len(rows)-1 && row.NewLeader == "" {
			row.NewLeader = self
			if why != "" {
				row.Reason = why
			}
		}
		merged = append(merged, row)
	}
	return merged
}
