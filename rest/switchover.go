package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// confirmPause spaces the fresh reads of the store while the agent's own
// view lags behind them. It bounds load only: changes of the view are waited
// for, not polled.
const confirmPause = 250 * time.Millisecond

// traceParent is the form of the W3C header, version 00. Anything else is
// not stored.
var traceParent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

func (s *Server) switchover(c *gin.Context) { s.handOver(c, false) }
func (s *Server) failover(c *gin.Context)   { s.handOver(c, true) }

// handOver reads the request and answers with its outcome.
func (s *Server) handOver(c *gin.Context, manual bool) {
	o, ok := requiredBody(c)
	if !ok {
		return
	}
	h, no := parseHandover(o, manual)
	if no != nil {
		no.send(c)
		return
	}
	answer := takeTime(c)
	view, err := s.load(c)
	if err != nil {
		answer()
		storeDown(c, err)
		return
	}
	result := s.carryOut(c, h, view)
	answer()
	result.send(c)
}

// carryOut checks the request, writes the failover key and, unless it is
// scheduled, waits for the outcome.
func (s *Server) carryOut(c *gin.Context, h handover, view *cluster.Cluster) *reply {
	h, members, no := h.check(view, time.Now())
	switch {
	case no != nil:
		return no
	case h.at.IsZero() && !s.anyUsable(c, members):
		return &refusal{http.StatusPreconditionFailed, h.name() + " is not possible: no good candidates have been found"}
	}
	// Its caller waits for an outcome, which must not be told of another
	// request. A failover goes ahead: there may be nobody to answer the first.
	if !h.manual && view.Failover.Due() && view.Leader != nil {
		return &refusal{http.StatusConflict, "another switchover or failover is under way"}
	}
	if no := s.writeHandover(c, h, view); no != nil {
		return no
	}
	if !h.at.IsZero() {
		return &reply{http.StatusAccepted, "Switchover scheduled"}
	}
	return s.await(c, h, view)
}

func (s *Server) anyUsable(c *gin.Context, members []cluster.Member) bool {
	for _, candidate := range s.backend.Peers(c.Request.Context(), members) {
		if candidate.usable() {
			return true
		}
	}
	return false
}

// writeHandover writes the failover key on the condition that it is as in
// view.
func (s *Server) writeHandover(c *gin.Context, h handover, view *cluster.Cluster) *refusal {
	key := h.key(traceOf(c))
	err := s.write(c, func(ctx context.Context) error { return s.backend.SetFailover(ctx, key, view.Failover.Version) })
	if errors.Is(err, cluster.ErrOutcomeUnknown) && s.wasWritten(c, key, view.LeaderName()) {
		err = nil
	}
	if errors.Is(err, cluster.ErrConflict) {
		return &refusal{http.StatusConflict, "another switchover or failover was requested at the same time"}
	}
	if err != nil {
		s.log.LogAttrs(c, slog.LevelWarn, h.name()+" request was not written", slog.Any("err", err))
		return &refusal{http.StatusServiceUnavailable, "failed to write failover key into DCS"}
	}
	s.log.LogAttrs(c, slog.LevelInfo, h.name()+" requested",
		slog.String("leader", h.leader), slog.String("candidate", h.candidate))
	s.backend.Wake()
	return nil
}

// wasWritten reads back whether the key is there, or was acted on already.
func (s *Server) wasWritten(c *gin.Context, key cluster.Failover, before string) bool {
	view, err := s.load(c)
	return err == nil && (string(view.Failover.Encode()) == string(key.Encode()) || view.LeaderName() != before)
}

// await waits for the outcome of a written request. The agent's view tells
// when to look; a fresh read decides, since that view may be from before the
// write.
func (s *Server) await(c *gin.Context, h handover, view *cluster.Cluster) *reply {
	settings, _ := cluster.ParseSettings(view.Config.Object)
	limit := 2 * max(10*time.Second, settings.LoopWait)
	ctx, cancel := context.WithTimeoutCause(c.Request.Context(), limit, errors.New("the outcome was waited for long enough"))
	defer cancel()
	before := view.LeaderName()
	for {
		_, err := s.backend.WaitCluster(ctx, func(v *cluster.Cluster) bool { return h.judge(v, before) != undecided })
		if err != nil && ctx.Err() != nil {
			return h.answer(undecided, "")
		}
		fresh, err := s.backend.LoadCluster(ctx)
		if err == nil {
			if o := h.judge(fresh, before); o != undecided {
				return h.answer(o, fresh.LeaderName())
			}
		}
		select {
		case <-ctx.Done():
			return h.answer(undecided, "")
		case <-time.After(confirmPause):
		}
	}
}

// cancelSwitchover drops a scheduled request; one that is due already cannot
// be stopped.
func (s *Server) cancelSwitchover(c *gin.Context) {
	view, err := s.load(c)
	if err != nil {
		storeDown(c, err)
		return
	}
	if !view.Failover.Pending() || view.Failover.Due() {
		text(c, http.StatusNotFound, "no switchover is scheduled")
		return
	}
	err = s.write(c, func(ctx context.Context) error {
		return s.backend.SetFailover(ctx, cluster.Failover{}, view.Failover.Version)
	})
	switch {
	case errors.Is(err, cluster.ErrConflict):
		errorPage(c, http.StatusConflict, "The failover key was changed by somebody else")
	case err != nil:
		storeDown(c, err)
	default:
		text(c, http.StatusOK, "scheduled switchover deleted")
	}
}
