package rest

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/rest/health"
)

// safeMethods are what health checks come with. HAProxy's default check is
// OPTIONS.
func safeMethods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodOptions}
}

// routes registers everything but the inexact health checks, which unknown
// ends in.
func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = false
	e.ContextWithFallback = true
	if err := e.SetTrustedProxies(nil); err != nil {
		panic("trust no proxies: " + err.Error()) // nil is always accepted
	}
	e.Use(s.recovery)
	e.NoRoute(s.unknown)
	e.Match(safeMethods(), "/liveness", s.liveness)
	e.Match(safeMethods(), "/readiness", s.readiness)
	for _, path := range health.Aliases() {
		e.Match(safeMethods(), path, s.health)
	}
	e.GET("/patroni", s.patroni)
	e.GET("/cluster", s.cluster)
	e.GET("/history", s.history)
	e.GET("/config", s.config)
	e.GET("/failsafe", s.failsafe)
	if s.options.Metrics != nil {
		e.GET("/metrics", gin.WrapH(s.options.Metrics))
	}
	unsafe := e.Group("/", s.authenticate)
	unsafe.PATCH("/config", s.patchConfig)
	unsafe.PUT("/config", s.putConfig)
	unsafe.POST("/switchover", s.switchover)
	unsafe.DELETE("/switchover", s.cancelSwitchover)
	unsafe.POST("/failover", s.failover)
	unsafe.POST("/restart", s.restart)
	unsafe.DELETE("/restart", s.cancelRestart)
	unsafe.POST("/reload", s.reload)
	unsafe.POST("/reinitialize", s.reinitialize)
	unsafe.POST("/failsafe", s.postFailsafe)
	return e
}

// unknown answers what has no route: an inexact health check, else 503 with
// the status document, never 404; 501 for methods that change something.
func (s *Server) unknown(c *gin.Context) {
	if slices.Contains(safeMethods(), c.Request.Method) {
		s.health(c)
		return
	}
	errorPage(c, http.StatusNotImplemented, "Server does not support this operation")
}

// recovery turns a panic into an answer: clients take a dropped connection
// for a dead agent and then write to ZooKeeper behind its back.
func (s *Server) recovery(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		s.log.LogAttrs(c, slog.LevelError, "handler panicked",
			slog.String("path", c.Request.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		if !c.Writer.Written() {
			text(c, http.StatusInternalServerError, "internal error")
		}
		c.Abort()
	}()
	c.Next()
}
