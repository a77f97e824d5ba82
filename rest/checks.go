package rest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/rest/health"
)

// InstanceHeader carries, on /liveness, which run of an agent answers, so
// that an agent can tell itself from another of the same name.
const InstanceHeader = "X-Pgregent-Instance"

// ReasonHeader carries why a health check is not 200.
const ReasonHeader = "X-Pgregent-Reason"

// explain adds the reason, if there is one.
func explain(c *gin.Context, reason string) {
	if reason != "" {
		c.Writer.Header()[ReasonHeader] = []string{reason}
	}
}

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
	code, reason := health.Explain(status, lease.Now(), path, query)
	explain(c, reason)
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
		out, err := cluster.SpacedJSON(s.shown(health.Document(status)))
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
	code, reason := health.ExplainLiveness(status, lease.Now())
	explain(c, reason)
	statusOnly(c, code)
}

func (s *Server) readiness(c *gin.Context) {
	_, query := target(c.Request)
	code, reason := health.ExplainReadiness(s.status(), lease.Now(), query)
	explain(c, reason)
	statusOnly(c, code)
}

// patroni is what peers ask before an election: it looks at PostgreSQL now.
func (s *Server) patroni(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), freshLimit)
	defer cancel()
	status := s.backend.Fresh(ctx)
	if status == nil {
		status = s.status()
	}
	o := s.shown(health.Document(status))
	if status.PublishedAt != 0 {
		own := o.Object("pgregent")
		if own == nil {
			own = &cluster.Object{}
			o.Set("pgregent", own)
		}
		age := lease.Now().Sub(lease.Instant(status.PublishedAt)).Seconds()
		own.Set("status_age_seconds", json.Number(strconv.FormatFloat(age, 'f', 3, 64)))
	}
	document(c, http.StatusOK, o)
}

// shown is a document with the role in the configured word.
func (s *Server) shown(o *cluster.Object) *cluster.Object {
	if s.policy.Load().MasterRole && o.Get("role") == string(cluster.RolePrimary) {
		o.Set("role", "master")
	}
	return o
}
