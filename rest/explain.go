package rest

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/config"
)

// explain answers GET /explain: the effective settings of this member, or
// those of ?key= and below it, and what set each. Secrets are masked.
func (s *Server) explain(c *gin.Context) {
	document(c, http.StatusOK, notNil(config.Under(s.options.Explain(), c.Query("key"))))
}
