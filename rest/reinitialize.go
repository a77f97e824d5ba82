package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// reinitialize starts to replace the data directory. Clients follow it by
// GET /patroni.
func (s *Server) reinitialize(c *gin.Context) {
	o, ok := optionalBody(c)
	if !ok {
		return
	}
	view, err := s.load(c)
	if err != nil {
		storeDown(c, err)
		return
	}
	switch view.LeaderName() {
	case "":
		text(c, http.StatusServiceUnavailable, "Cluster has no leader, can not reinitialize")
		return
	case s.status().Name:
		text(c, http.StatusServiceUnavailable, "I am the leader, can not reinitialize")
		return
	}
	force, _ := cluster.ParseBool(o.Get("force"))
	fromLeader, _ := cluster.ParseBool(o.Get("from_leader"))
	answer := takeTime(c) // with force, other work has to end first
	err = s.backend.Reinitialize(context.WithoutCancel(c.Request.Context()), force, fromLeader)
	answer()
	busy, isBusy := errors.AsType[*BusyError](err)
	switch {
	case isBusy:
		text(c, http.StatusServiceUnavailable, busy.Error())
	case err != nil:
		s.log.LogAttrs(c, slog.LevelWarn, "reinitialize was not started", slog.Any("err", err))
		text(c, http.StatusServiceUnavailable, "reinitialize failed: "+err.Error())
	default:
		text(c, http.StatusOK, "reinitialize started")
	}
}

func (s *Server) reload(c *gin.Context) {
	s.backend.Reload()
	text(c, http.StatusAccepted, "reload scheduled")
}
