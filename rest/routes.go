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

// route is one endpoint: the source of the router and of /openapi.json.
type route struct {
	methods []string
	path    string
	// role is what a caller must be once callers have to say who they are;
	// "": everybody may.
	role    Role
	summary string
	query   []parameter
	// body are the keys of the JSON object that is taken; nil: none is.
	body []parameter
	// answers are the codes, without those of guard.
	answers []int
	// produces is the content type of an answer with a body.
	produces string
	handle   gin.HandlerFunc
}

// parameter is one word of a query or key of a body.
type parameter struct {
	name, kind, doc string
	required        bool
}

// unsafe reports that the call changes something.
func (r *route) unsafe() bool { return !slices.Contains(safeMethods(), r.methods[0]) }

const (
	jsonType = "application/json"
	textType = "text/html"
)

// table is every endpoint but the inexact health checks, which unknown ends
// in.
func (s *Server) table() []route {
	return append(append(s.checkRoutes(), s.readRoutes()...), s.orderRoutes()...)
}

func (s *Server) checkRoutes() []route {
	lag := parameter{"lag", "string", "how far behind the leader a standby may be: bytes, or a number with B, kB, MB, GB or TB", false}
	checks := []parameter{lag, {"tag_KEY", "string", "the tag KEY must have this value; any number of them", false}}
	var out []route
	for _, path := range health.Aliases() {
		out = append(out, route{safeMethods(), path, "", "health check; any path that contains one of the words is one too", checks, nil, []int{200, 503}, jsonType, s.health})
	}
	return append(out,
		route{safeMethods(), "/liveness", "", "the agent's loop is on time", nil, nil, []int{200, 503}, "", s.liveness},
		route{safeMethods(), "/readiness", "", "leader, or standby that streams", []parameter{lag, {"mode", "string", "write: the received position counts, not the replayed one", false}}, nil, []int{200, 503}, "", s.readiness},
	)
}

func (s *Server) readRoutes() []route {
	get := []string{http.MethodGet}
	return []route{
		{get, "/patroni", "", "status document, with PostgreSQL asked now", nil, nil, []int{200}, jsonType, s.patroni},
		{get, "/cluster", "", "topology", nil, nil, []int{200, 503}, jsonType, s.cluster},
		{get, "/history", "", "history of timelines", nil, nil, []int{200, 503}, jsonType, s.history},
		{get, "/config", "", "dynamic configuration", nil, nil, []int{200, 502, 503}, jsonType, s.config},
		{get, "/failsafe", "", "members that a leader without ZooKeeper has to ask", nil, nil, []int{200, 502, 503}, jsonType, s.failsafe},
		{get, "/metrics", "", "metrics for Prometheus", nil, nil, []int{200}, "text/plain", s.metrics},
		{get, "/whatif", "", "who would lead if members were down", []parameter{{"down", "string", "name of a member; may be repeated", true}}, nil, []int{200, 400, 503}, jsonType, s.whatIf},
		{get, "/events", Viewer, "server-sent events: role, state, leader, config, request, operation, build, pause, store, audit", []parameter{{"last_event_id", "string", "resume behind this id, as the header Last-Event-ID does", false}}, nil, []int{200, 503}, "text/event-stream", s.listen},
		{get, "/failovers", "", "the record of failovers, of all members; below it one by its id, and local: this member's notes", nil, nil, []int{200, 404}, jsonType, s.failovers},
		{get, "/explain", Viewer, "effective settings of this member, and what set each; without credentials for loopback addresses only", []parameter{{"key", "string", "only this key and those below it", false}}, nil, []int{200}, jsonType, s.explain},
		{get, "/ui", Viewer, "the cluster page: members, last failovers, events, live and read only", nil, nil, []int{200, 301, 404}, "text/html", s.ui},
		{get, "/openapi.json", "", "this document", nil, nil, []int{200}, jsonType, s.openAPI},
	}
}

func (s *Server) orderRoutes() []route {
	post, del := []string{http.MethodPost}, []string{http.MethodDelete}
	leader := parameter{"leader", "string", "who leads now", false}
	candidate := parameter{"candidate", "string", "who is to lead", false}
	at := parameter{"scheduled_at", "string", "ISO 8601 with time zone; absent: now", false}
	settings := []parameter{{"*", "any", "settings; null removes one", true}}
	restart := []parameter{
		{"schedule", "string", "ISO 8601 with time zone; absent: now", false},
		{"role", "string", "only if the node is primary, standby_leader or replica", false},
		{"postgres_version", "string", "only if PostgreSQL is older", false},
		{"restart_pending", "boolean", "only if settings wait for a restart", false},
		{"timeout", "string", "how long the start may take, in seconds or with a unit", false},
	}
	needed := func(p parameter) parameter { p.required = true; return p }
	return []route{
		{[]string{http.MethodPatch}, "/config", Admin, "merge into the dynamic configuration", nil, settings, []int{200, 400, 409, 411, 413, 503}, jsonType, s.patchConfig},
		{[]string{http.MethodPut}, "/config", Admin, "replace the dynamic configuration", nil, settings, []int{200, 400, 409, 411, 413, 502, 503}, jsonType, s.putConfig},
		{post, "/switchover", Operator, "hand the leadership over in order", nil, []parameter{needed(leader), candidate, at}, []int{200, 202, 400, 409, 411, 412, 413, 422, 503}, textType, s.switchover},
		{del, "/switchover", Operator, "drop a scheduled switchover", nil, nil, []int{200, 404, 409, 503}, textType, s.cancelSwitchover},
		{post, "/failover", Operator, "make a member the leader, also without the old one", nil, []parameter{leader, needed(candidate)}, []int{200, 400, 409, 411, 412, 413, 503}, textType, s.failover},
		{post, "/restart", Operator, "restart PostgreSQL", nil, restart, []int{200, 202, 400, 409, 413, 422, 500, 503}, textType, s.restart},
		{del, "/restart", Operator, "drop a scheduled restart", nil, nil, []int{200, 404, 503}, textType, s.cancelRestart},
		{post, "/reload", Operator, "read the local configuration again", nil, nil, []int{202}, textType, s.reload},
		{post, "/reinitialize", Operator, "replace the data directory by a fresh copy", nil, []parameter{{"force", "boolean", "end other work first", false}, {"from_leader", "boolean", "copy from the leader only", false}}, []int{200, 400, 413, 503}, textType, s.reinitialize},
		{post, "/failsafe", Operator, "promise a leader without ZooKeeper not to lead", nil, []parameter{{"name", "string", "of the leader", true}, {"conn_url", "string", "of its PostgreSQL", true}, {"api_url", "string", "of its agent", true}, {"slots", "object", "slot name to position", false}}, []int{200, 400, 411, 413, 500, 502}, textType, s.postFailsafe},
		{post, "/sigterm", Operator, "does nothing", nil, nil, []int{202}, textType, s.sigterm},
		{post, "/citus", Operator, "accepted and without effect: there are no Citus groups", nil, nil, []int{200, 400, 411, 413}, textType, s.citus},
		{post, "/mpp", Operator, "as /citus", nil, nil, []int{200, 400, 411, 413}, textType, s.citus},
	}
}

// routes registers the table.
func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = false
	e.ContextWithFallback = true
	if err := e.SetTrustedProxies(nil); err != nil {
		panic("trust no proxies: " + err.Error()) // nil is always accepted
	}
	if s.options.Observe != nil {
		e.Use(s.observe)
	}
	if s.options.Tracer != nil {
		e.Use(s.spans())
	}
	e.Use(s.recovery)
	e.NoRoute(s.unknown)
	s.endpoints = s.table()
	for i := range s.endpoints {
		r := &s.endpoints[i]
		if s.without(r.path) {
			continue
		}
		var chain []gin.HandlerFunc
		if r.unsafe() {
			chain = append(chain, s.audit)
		}
		if r.role != "" {
			chain = append(chain, s.guard(r))
		}
		e.Match(r.methods, r.path, append(chain, r.handle)...)
	}
	return e
}

// without reports that the agent has nothing to answer that path with.
func (s *Server) without(path string) bool {
	switch path {
	case "/metrics":
		return s.options.Metrics == nil
	case "/failovers":
		return s.options.Records == nil
	case "/explain":
		return s.options.Explain == nil
	}
	return false
}

func (s *Server) metrics(c *gin.Context) { s.options.Metrics.ServeHTTP(c.Writer, c.Request) }

// sigterm and citus exist because tools call them: the former had an effect
// on test builds only, and there are no groups here that the latter could
// speak to.
func (s *Server) sigterm(c *gin.Context) { text(c, http.StatusAccepted, "shutdown scheduled") }

func (s *Server) citus(c *gin.Context) {
	if _, ok := requiredBody(c); ok {
		text(c, http.StatusOK, "OK")
	}
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
