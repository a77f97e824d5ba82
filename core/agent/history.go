package agent

import (
	"context"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/record"
)

// writeHistory appends the row of the present timeline when it is missing,
// and keeps what older rows say.
func (h *housekeeper) writeHistory(ctx context.Context, v decide.View) error {
	old := v.Cluster.History
	if old.ClusterTimeline() == v.Instance.Timeline {
		return nil
	}
	p := h.a.story.during(record.History)
	err := h.appendHistory(ctx, v, old)
	h.a.story.historyDone(p, v.Instance.Timeline, err)
	return err
}

func (h *housekeeper) appendHistory(ctx context.Context, v decide.View, old cluster.History) error {
	rows, err := h.a.o.Postgres.TimelineHistory(ctx)
	if err != nil {
		return err
	}
	why, _ := h.a.ledBy.Load().(string)
	merged := mergeHistory(old, rows, v.Self, why)
	if n := v.Settings.MaxTimelinesHistory; n > 0 && len(merged) > n {
		merged = merged[len(merged)-n:]
	}
	return h.a.o.Store.SetHistory(ctx, merged)
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
