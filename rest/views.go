package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/health"
)

// storeLimit bounds one read or write of ZooKeeper. It is below bodyLimit,
// at which the server ends the context of a request.
const storeLimit = 8 * time.Second

// load reads the view from the store.
func (s *Server) load(c *gin.Context) (*cluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), storeLimit)
	defer cancel()
	return s.backend.LoadCluster(ctx)
}

// cached is the agent's view, or a fresh one if it has none.
func (s *Server) cached(c *gin.Context) (*cluster.Cluster, error) {
	if view := s.status().Cluster; view != nil {
		return view, nil
	}
	return s.load(c)
}

func (s *Server) cluster(c *gin.Context) {
	view, err := s.load(c)
	if err != nil {
		storeDown(c, err)
		return
	}
	document(c, http.StatusOK, health.ClusterDocument(view, s.status().Scope))
}

func (s *Server) history(c *gin.Context) {
	view, err := s.cached(c)
	if err != nil {
		storeDown(c, err)
		return
	}
	document(c, http.StatusOK, view.History)
}

// config reads the store, so that a change made on another node is seen at
// once.
func (s *Server) config(c *gin.Context) {
	view, err := s.load(c)
	switch {
	case err != nil:
		storeDown(c, err)
	case view.Config.Object == nil:
		errorPage(c, http.StatusBadGateway, "There is no dynamic configuration")
	default:
		document(c, http.StatusOK, view.Config.Object)
	}
}
