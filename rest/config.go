package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// patchConfig merges the body into the dynamic configuration. Names and
// values are not checked: clients rely on that, and agents report what they
// cannot use.
func (s *Server) patchConfig(c *gin.Context) {
	patch, ok := requiredBody(c)
	if !ok {
		return
	}
	view, err := s.load(c)
	if err != nil {
		storeDown(c, err)
		return
	}
	if view.Config.Object == nil {
		errorPage(c, http.StatusServiceUnavailable, "There is no dynamic configuration to change")
		return
	}
	merged := view.Config.Object.Clone()
	changed := merged.Patch(patch)
	if why := refuseQuorum(view, merged); why != "" {
		errorPage(c, http.StatusConflict, why)
		return
	}
	if changed {
		err = s.write(c, func(ctx context.Context) error {
			return s.backend.SetConfig(ctx, merged, view.Config.Version)
		})
	}
	switch {
	case errors.Is(err, cluster.ErrConflict):
		errorPage(c, http.StatusConflict, "The dynamic configuration was changed by somebody else")
	case err != nil:
		storeDown(c, err)
	default:
		s.backend.Wake()
		document(c, http.StatusOK, merged)
	}
}

// putConfig replaces the dynamic configuration, or creates it.
func (s *Server) putConfig(c *gin.Context) {
	next, ok := requiredBody(c)
	if !ok {
		return
	}
	view, err := s.load(c)
	if err != nil {
		storeDown(c, err)
		return
	}
	if why := refuseQuorum(view, next); why != "" {
		errorPage(c, http.StatusConflict, why)
		return
	}
	if old := view.Config.Object; old == nil || old.String() != next.String() {
		version := cluster.AnyVersion
		if view.Config.Version == cluster.NoVersion {
			version = cluster.NoVersion
		}
		err = s.write(c, func(ctx context.Context) error {
			return s.backend.SetConfig(ctx, next, version)
		})
	}
	if err != nil {
		errorPage(c, http.StatusBadGateway, "The dynamic configuration was not written: "+err.Error())
		return
	}
	document(c, http.StatusOK, next)
}

// write runs one write of the store. It goes on when the client hangs up:
// half a request must not decide whether a write was sent.
func (s *Server) write(c *gin.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), storeLimit)
	defer cancel()
	return f(ctx)
}
