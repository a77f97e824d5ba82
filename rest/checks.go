package rest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/rest/health"
)

// InstanceHeader carries, on /liveness, which run of an agent answers, so
// that an agent can tell itself from another of the same name.
const InstanceHeader = "X-Pgregent-Instance"

// freshLimit bounds the observation for GET /patroni.
const freshLimit = 2 * time.Second

// rendered is the text of one status's document.
type rendered struct {
	status *cluster.NodeStatus
	text   []byte
}

// health answers every health check, and what is none, from memory. Only GET
// has a body.
func (s *Server) health(c *gin.Context) {
	status := s.status()
	path, query := target(c.Request)
	code := health.Check(status, lease.Now(), path, query)
	if c.Request.Method != http.MethodGet {
		statusOnly(c, code)
		return
	}
	s.sendStatus(c, code, status)
}

// sendStatus sends the status document, rendered once for each status.
func (s *Server) sendStatus(c *gin.Context, code int, status *cluster.NodeStatus) {
	last := s.document.Load()
	if last == nil || last.status != status {
		out, err := cluster.SpacedJSON(health.Document(status))
		if err != nil {
			s.log.LogAttrs(c, slog.LevelError, "status document cannot be written", slog.Any("err", err))
			statusOnly(c, code)
			return
		}
		last = &rendered{status, out}
		s.document.Store(last)
	}
	body(c, code, "application/json", last.text)
}

func (s *Server) liveness(c *gin.Context) {
	status := s.status()
	if status.InstanceID != "" {
		c.Header(InstanceHeader, status.InstanceID)
	}
	statusOnly(c, health.Liveness(status, lease.Now()))
}

func (s *Server) readiness(c *gin.Context) {
	_, query := target(c.Request)
	statusOnly(c, health.Readiness(s.status(), lease.Now(), query))
}

// patroni is what peers ask before an election: it looks at PostgreSQL now.
func (s *Server) patroni(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), freshLimit)
	defer cancel()
	status := s.backend.Fresh(ctx)
	if status == nil {
		status = s.status()
	}
	document(c, http.StatusOK, health.Document(status))
}
