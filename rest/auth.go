package rest

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// authenticate guards the calls that change something with basic
// authentication, before their body is read.
func (s *Server) authenticate(c *gin.Context) {
	if s.options.Username == "" && s.options.Password == "" {
		return
	}
	given := c.Request.Header.Get("Authorization")
	if given == "" {
		s.deny(c, "no auth header received")
		return
	}
	want := base64.StdEncoding.EncodeToString([]byte(s.options.Username + ":" + s.options.Password))
	token, basic := strings.CutPrefix(given, "Basic ")
	if !basic || subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 {
		s.deny(c, "not authenticated")
	}
}

func (s *Server) deny(c *gin.Context, sentence string) {
	c.Header("WWW-Authenticate", `Basic realm="Patroni"`)
	text(c, http.StatusUnauthorized, sentence)
	c.Abort()
}
