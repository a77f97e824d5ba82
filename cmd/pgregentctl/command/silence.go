package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/client"
)

// post sends the request to the leader, or to the candidate.
func (a *app) post(ctx context.Context, h *handover, view *cluster.Cluster, at string) (client.Reply, error) {
	m := h.target(view)
	if m == nil || m.Data.APIURL == "" {
		return client.Reply{}, errors.New("no member has told its REST address")
	}
	limit := handoverLimit(view)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer of %s within %v", m.Name, limit))
	defer cancel()
	reply, err := a.agents.Do(ctx, http.MethodPost, m.Data.APIURL, h.path(), h.body(at))
	if err == nil && reply.Code == http.StatusNotImplemented && h.path() == "/switchover" && strings.Contains(reply.Text, "Server does not support this operation") {
		reply, err = a.agents.Do(ctx, http.MethodPost, m.Data.APIURL, "/failover", h.body(at))
	}
	a.noteTrace(reply)
	return reply, err
}

// handoverLimit is how long an agent may wait for the outcome before it
// answers, and a little more.
func handoverLimit(view *cluster.Cluster) time.Duration {
	settings, _ := cluster.ParseSettings(view.Config.Object)
	return 2*max(10*time.Second, settings.LoopWait) + 15*time.Second
}

// afterSilence finds out what became of a request that got no answer, and
// puts it into ZooKeeper itself if nobody has seen it.
func (a *app) afterSilence(ctx context.Context, h *handover, k *access.Cluster, before *cluster.Cluster, at string, cause error) error {
	if ctx.Err() != nil {
		a.Warn("The request was sent and is not taken back: look at pgregentctl list %s", k.Name)
		return context.Canceled
	}
	a.Warn("no answer: %v", cause)
	now, err := a.settled(ctx, h, k, before)
	if err != nil {
		return err
	}
	leader := now.LeaderName()
	switch {
	case leader != "" && leader != before.LeaderName():
		done := "Switched over"
		if !h.planned() {
			done = "Failed over"
		}
		if leader != h.candidate && h.candidate != "" {
			a.Printf("%s %s to %q instead of %q (the answer was lost)", a.stamp(), done, leader, h.candidate)
		} else {
			a.Printf("%s Successfully %s to %q (the answer was lost)", a.stamp(), strings.ToLower(done), leader)
		}
	case now.Failover.Pending() && now.Failover.Version != before.Failover.Version:
		a.Printf("%s The request is in ZooKeeper (the answer was lost)", a.stamp())
	default:
		a.Warn("Failing over to DCS")
		a.Printf("%s Could not %s using Patroni api, falling back to DCS", a.stamp(), h.action)
		if err := a.writeRequest(ctx, h, k, at); err != nil {
			return err
		}
		now, err = k.Read(ctx)
	}
	if err == nil {
		a.table(k, now)
	}
	return err
}

// settled waits, while a request of this time is in the store, for what
// becomes of it.
func (a *app) settled(ctx context.Context, h *handover, k *access.Cluster, before *cluster.Cluster) (*cluster.Cluster, error) {
	limit := time.NewTimer(handoverLimit(before))
	defer limit.Stop()
	for {
		now, err := k.Read(ctx)
		if err != nil {
			return nil, err
		}
		written := now.Failover.Version != before.Failover.Version
		leads := now.LeaderName() != "" && now.LeaderName() != before.LeaderName()
		underWay := written && (now.Failover.Due() || now.LeaderName() == "")
		if leads || !underWay {
			return now, nil
		}
		select {
		case <-k.Changed():
		case <-limit.C:
			return now, nil
		case <-ctx.Done():
			return nil, context.Canceled
		}
	}
}

func (a *app) writeRequest(ctx context.Context, h *handover, k *access.Cluster, at string) error {
	f := cluster.Failover{Leader: h.leader, Candidate: h.candidate}
	if at != "" {
		var err error
		if f.ScheduledAt, err = cluster.ParseTime(at); err != nil {
			return err
		}
	}
	if err := k.SetFailover(ctx, f, cluster.AnyVersion); err != nil {
		return fmt.Errorf("the request could not be written to ZooKeeper either: %w", err)
	}
	return nil
}

// rehearse says what a request would be, and how its candidates stand.
func (a *app) rehearse(ctx context.Context, h *handover, k *access.Cluster, view *cluster.Cluster, at string) error {
	m := h.target(view)
	if m == nil || m.Data.APIURL == "" {
		a.Printf("Nobody can be asked by REST: the request would be written to ZooKeeper: %s", h.body(at))
	} else {
		a.Printf("Would send POST %s to %s: %s", h.path(), m.Name, h.body(at))
	}
	peers := a.agents.Ask(ctx, view.Members)
	fit := 0
	for _, p := range peers {
		if p.Name == view.LeaderName() || h.candidate != "" && p.Name != h.candidate {
			continue
		}
		problem := a.unfit(view, p)
		if problem == "" {
			fit++
			a.Printf("  %s could lead; %d bytes behind what the leader has published", p.Name, behind(view, p))
		} else {
			a.Printf("  %s could not lead: %s", p.Name, problem)
		}
	}
	if fit == 0 {
		a.refused = true
		a.Printf("The %s of %s would be refused: nobody could lead", h.action, k.Name)
	}
	a.Println("Nothing was done.")
	return nil
}

// unfit says why a member could not take over, "" if it could.
func (a *app) unfit(view *cluster.Cluster, p client.Peer) string {
	settings, _ := cluster.ParseSettings(view.Config.Object)
	m := view.Member(p.Name)
	switch {
	case !p.Reachable:
		return "it does not answer: " + p.Err
	case p.NoFailover || m != nil && m.Data.Tags.NoFailover():
		return "it is tagged nofailover"
	case p.WatchdogFailed:
		return "its watchdog does not work"
	case settings.Synchronous() && view.Sync.Active() && !view.Sync.Contains(p.Name):
		return "it is not a synchronous standby"
	case cluster.LSN(behind(view, p)) > settings.MaximumLagOnFailover:
		return fmt.Sprintf("it is %d bytes behind, more than maximum_lag_on_failover", behind(view, p))
	}
	return ""
}

func behind(view *cluster.Cluster, p client.Peer) int64 {
	return int64(max(view.Status.Optime, p.Position) - p.Position)
}
