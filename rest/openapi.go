package rest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/health"
)

// openAPI serves the description of the API, made from the same table as the
// routes.
func (s *Server) openAPI(c *gin.Context) { document(c, http.StatusOK, describe(s.endpoints)) }

// describe is the OpenAPI 3.1 document of routes.
func describe(routes []route) *cluster.Object {
	paths := &cluster.Object{}
	for i := range routes {
		r := &routes[i]
		item := paths.Object(r.path)
		if item == nil {
			item = &cluster.Object{}
			paths.Set(r.path, item)
		}
		for _, m := range r.methods {
			item.Set(strings.ToLower(m), operation(r, m))
		}
	}
	return pairs("openapi", "3.1.0",
		"info", pairs("title", "pgregent", "version", health.CompatVersion,
			"description", "REST API of one agent, compatible with Patroni's."),
		"paths", paths,
		"components", pairs("securitySchemes", pairs(
			"basic", pairs("type", "http", "scheme", "basic"),
			"bearer", pairs("type", "http", "scheme", "bearer"),
			"certificate", pairs("type", "mutualTLS"))))
}

func operation(r *route, method string) *cluster.Object {
	o := pairs("summary", r.summary,
		"operationId", strings.ToLower(method)+strings.NewReplacer("/", "_", ".", "_").Replace(r.path))
	var params []any
	for _, p := range r.query {
		params = append(params, pairs("name", p.name, "in", "query", "required", p.required, "description", p.doc, "schema", pairs("type", p.kind)))
	}
	if params != nil {
		o.Set("parameters", params)
	}
	if r.body != nil {
		o.Set("requestBody", pairs("required", requires(r.body),
			"content", pairs(jsonType, pairs("schema", bodySchema(r.body)))))
	}
	answers := &cluster.Object{}
	for _, code := range r.codes() {
		answer := pairs("description", http.StatusText(code))
		if r.produces != "" && method != http.MethodHead && method != http.MethodOptions {
			answer.Set("content", pairs(produced(r, code), &cluster.Object{}))
		}
		answers.Set(strconv.Itoa(code), answer)
	}
	o.Set("responses", answers)
	if r.role != "" {
		o.Set("x-role", string(r.role))
		// The empty one: as configured, nobody has to say who they are.
		o.Set("security", []any{&cluster.Object{}, pairs("basic", []any{}), pairs("bearer", []any{}), pairs("certificate", []any{})})
	}
	return o
}

// produced is the content type of an answer with that code.
func produced(r *route, code int) string {
	if r.produces == jsonType && code >= 400 && r.path != "/" && !isCheck(r) {
		return textType
	}
	return r.produces
}

// isCheck: health checks send the document whatever the code.
func isCheck(r *route) bool { return len(r.methods) > 1 }

// codes are all codes of a route, those of the guard included.
func (r *route) codes() []int {
	out := append([]int(nil), r.answers...)
	if r.role != "" {
		out = append(out, http.StatusUnauthorized, http.StatusForbidden)
	}
	return out
}

func requires(body []parameter) bool {
	for _, p := range body {
		if p.required {
			return true
		}
	}
	return false
}

func bodySchema(body []parameter) *cluster.Object {
	if body[0].name == "*" {
		return pairs("type", "object", "minProperties", 1, "description", body[0].doc)
	}
	props := &cluster.Object{}
	var required []any
	for _, p := range body {
		props.Set(p.name, pairs("type", p.kind, "description", p.doc))
		if p.required {
			required = append(required, p.name)
		}
	}
	o := pairs("type", "object", "properties", props)
	if required != nil {
		o.Set("required", required)
	}
	return o
}

// pairs makes an object of names and values in turn.
func pairs(list ...any) *cluster.Object {
	o := &cluster.Object{}
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		o.Set(name, list[i+1])
	}
	return o
}
