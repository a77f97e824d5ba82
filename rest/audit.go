package rest

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// resultKey is where the sentence of an answer is kept for the audit record.
const resultKey = "result"

// traceHeader tells the caller the trace that its call belongs to.
const traceHeader = "X-Pgregent-Trace"

// audit records a call that changes something, the refused ones too: who,
// what, from where, with what result, and the trace that it belongs to. The
// body is not recorded: it may hold secrets.
func (s *Server) audit(c *gin.Context) {
	trace := newTrace()
	if given := traceOf(c); given != "" {
		trace = given[3:35]
	}
	c.Header(traceHeader, trace)
	from := time.Now()
	c.Next()
	who := c.GetString(whoKey)
	if who == "" {
		who = "anonymous"
	}
	result := c.GetString(resultKey)
	s.log.LogAttrs(c, slog.LevelInfo, "audit",
		slog.String("who", who), slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path),
		slog.String("from", c.Request.RemoteAddr), slog.Int("code", c.Writer.Status()), slog.String("result", result),
		slog.String("trace", trace), slog.Duration("took", time.Since(from)))
	o := &cluster.Object{}
	o.Set("who", who)
	o.Set("method", c.Request.Method)
	o.Set("path", c.Request.URL.Path)
	o.Set("from", c.Request.RemoteAddr)
	o.Set("code", c.Writer.Status())
	o.Set("result", result)
	o.Set("trace", trace)
	s.events.add("audit", o)
}

// newTrace is the id of a trace of this one call.
func newTrace() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}
