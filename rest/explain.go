package rest

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/config"
)

// explainHere says why a caller from elsewhere is told nothing.
const explainHere = "settings are told to loopback addresses only, because neither restapi.authentication nor restapi.identities is set"

// explain answers GET /explain: the effective settings of this member, or
// those of ?key= and below it, and what set each. Secrets are masked, as far as
// they can be recognized: where nobody has to say who he is, only this host is
// told.
func (s *Server) explain(c *gin.Context) {
	p := s.policy.Load()
	verified := p.wantsCertificate() && certificate(c.Request.Context()) != nil
	if !p.protected() && !verified && !caller(c.Request).IsLoopback() {
		refuse(c, http.StatusForbidden, explainHere)
		return
	}
	document(c, http.StatusOK, notNil(config.Under(s.options.Explain(), c.Query("key"))))
}
