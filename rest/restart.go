package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// restart restarts PostgreSQL now and answers when it is done. It does not
// need the store, and goes on if the client hangs up.
func (s *Server) restart(c *gin.Context) {
	o, ok := optionalBody(c)
	if !ok {
		return
	}
	status := s.status()
	if o.Has("schedule") && status.Settings.Pause {
		text(c, http.StatusInternalServerError, "Can't schedule restart in the paused state")
		return
	}
	r, no := parseRestart(o, time.Now())
	if no != nil {
		no.send(c)
		return
	}
	if !r.At.IsZero() {
		s.scheduleRestart(c, r)
		return
	}
	if r.Timeout == 0 {
		r.Timeout = status.Settings.PrimaryStartTimeout
	}
	if r.Timeout == 0 {
		r.Timeout = cluster.DefaultSettings().PrimaryStartTimeout
	}
	if !r.matches(status) {
		text(c, http.StatusServiceUnavailable, ErrConditions.Error())
		return
	}
	answer := takeTime(c)
	err := s.backend.Restart(context.WithoutCancel(c.Request.Context()), r)
	answer()
	s.sendRestart(c, err)
}

func (s *Server) sendRestart(c *gin.Context, err error) {
	busy, isBusy := errors.AsType[*BusyError](err)
	switch {
	case err == nil:
		text(c, http.StatusOK, "restarted successfully")
	case isBusy:
		text(c, http.StatusServiceUnavailable, busy.Error())
	case errors.Is(err, ErrConditions):
		text(c, http.StatusServiceUnavailable, ErrConditions.Error())
	case errors.Is(err, ErrStillStarting):
		text(c, http.StatusServiceUnavailable, ErrStillStarting.Error())
	default:
		s.log.LogAttrs(c, slog.LevelWarn, "requested restart failed", slog.Any("err", err))
		text(c, http.StatusServiceUnavailable, "restart failed")
	}
}

func (s *Server) scheduleRestart(c *gin.Context, r RestartRequest) {
	err := s.backend.ScheduleRestart(c.Request.Context(), r)
	switch {
	case err == nil:
		text(c, http.StatusAccepted, "Restart scheduled")
	case errors.Is(err, ErrScheduled):
		text(c, http.StatusConflict, "Another restart is already scheduled")
	default:
		s.log.LogAttrs(c, slog.LevelWarn, "restart was not scheduled", slog.Any("err", err))
		text(c, http.StatusServiceUnavailable, "restart was not scheduled: "+err.Error())
	}
}

// cancelRestart drops a scheduled restart.
func (s *Server) cancelRestart(c *gin.Context) {
	was, err := s.backend.CancelRestart(c.Request.Context())
	switch {
	case err != nil:
		text(c, http.StatusServiceUnavailable, "scheduled restart not deleted: "+err.Error())
	case was:
		text(c, http.StatusOK, "scheduled restart deleted")
	default:
		text(c, http.StatusNotFound, "no restarts are scheduled")
	}
}

// parseRestart reads the filters in the order of the body; the first bad one
// is told.
func parseRestart(o *cluster.Object, now time.Time) (RestartRequest, *refusal) {
	var r RestartRequest
	for key, v := range o.All() {
		var no *refusal
		switch key {
		case "schedule":
			r.At, no = parseSchedule(v, "restart", now)
		case "role":
			r.Role, no = parseRole(v)
		case "postgres_version":
			r.PostgresVersion, no = parseVersion(v)
		case "timeout":
			r.Timeout, no = parseTimeout(v)
		case "restart_pending":
			r.Pending = true // whatever the value
		default:
			no = badRequest("Unknown filter for the scheduled restart: " + key)
		}
		if no != nil {
			return r, no
		}
	}
	if !r.At.IsZero() {
		r.Shown = r.shown(o)
	}
	return r, nil
}

// shown is the request with the values as they are understood.
func (r RestartRequest) shown(o *cluster.Object) *cluster.Object {
	shown := o.Clone()
	shown.Set("schedule", r.At.Format("2006-01-02T15:04:05.999999-07:00"))
	if r.Role != "" {
		shown.Set("role", string(r.Role))
	}
	if r.Timeout != 0 {
		shown.Set("timeout", int64(r.Timeout/time.Second))
	}
	return shown
}

// parseRole reads a role; master is the old word for primary.
func parseRole(v any) (cluster.Role, *refusal) {
	switch v {
	case "master", "primary":
		return cluster.RolePrimary, nil
	case "standby_leader":
		return cluster.RoleStandbyLeader, nil
	case "replica":
		return cluster.RoleReplica, nil
	}
	return "", badRequest("PostgreSQL role should be either primary, standby_leader, or replica")
}

// parseVersion reads X.Y, or X.Y.Z for releases before 10, in the style of
// server_version_num.
func parseVersion(v any) (int, *refusal) {
	s, _ := v.(string)
	var parts []int
	for p := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, badRequest("Invalid PostgreSQL version: " + cluster.Text(v))
		}
		parts = append(parts, int(n))
	}
	switch {
	case len(parts) == 2 && parts[0] >= 10:
		return parts[0]*10000 + parts[1], nil
	case len(parts) == 3:
		return parts[0]*10000 + parts[1]*100 + parts[2], nil
	}
	return 0, badRequest("Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: " + s)
}

func parseTimeout(v any) (time.Duration, *refusal) {
	d, err := cluster.ParseSeconds(v)
	if d = d.Round(time.Second); err != nil || d < time.Second {
		return 0, badRequest("Timeout should be a positive number of seconds")
	}
	return d, nil
}
