package rest

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// spans makes a span of each request that belongs to an operation: one that
// changes something, or that carries the trace of what goes on elsewhere. The
// health checks of every second are none.
func (s *Server) spans() gin.HandlerFunc {
	return otelgin.Middleware("pgregent", otelgin.WithTracerProvider(s.options.Tracer),
		otelgin.WithPropagators(propagation.TraceContext{}),
		otelgin.WithFilter(func(r *http.Request) bool {
			orders := !slices.Contains(safeMethods(), r.Method) && r.URL.Path != "/failsafe" // that comes every round
			return orders || r.Header.Get("Traceparent") != ""
		}))
}

// traceOf is the W3C trace context of a request: that of its span, else what
// came with it; "" if there is none.
func traceOf(c *gin.Context) string {
	if sc := trace.SpanContextFromContext(c.Request.Context()); sc.IsValid() && sc.IsSampled() {
		return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"
	}
	if given := c.GetHeader("Traceparent"); traceParent.MatchString(given) {
		return given
	}
	return ""
}
