package rest

import (
	"time"

	"github.com/gin-gonic/gin"
)

// observe tells of a request when it is answered. What has no route of its own
// is one: paths come from outside and have no bound.
func (s *Server) observe(c *gin.Context) {
	begin := time.Now()
	c.Next()
	route := c.FullPath()
	if route == "" {
		route = "other"
	}
	s.options.Observe(route, c.Writer.Status(), time.Since(begin))
}
