package rest

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// reply is an answer in words.
type reply struct {
	code int
	text string
}

// refusal is a reply that says why a request is not carried out.
type refusal = reply

func badRequest(sentence string) *refusal { return &refusal{http.StatusBadRequest, sentence} }

func (r *reply) send(c *gin.Context) { text(c, r.code, r.text) }

// statusOnly answers with a code and nothing else.
func statusOnly(c *gin.Context, code int) {
	c.Status(code)
	c.Writer.WriteHeaderNow()
}

// text answers with a plain sentence and no line end: clients compare and
// print bodies verbatim. The type is text/html by contract, so the policy
// keeps a browser from running what a sentence repeats of a request.
func text(c *gin.Context, code int, sentence string) {
	c.Set(resultKey, sentence)
	c.Header("Content-Security-Policy", "default-src 'none'; sandbox")
	body(c, code, "text/html", []byte(sentence))
}

// document answers with JSON, blanks after commas and colons.
func document(c *gin.Context, code int, v any) {
	out, err := cluster.SpacedJSON(v)
	if err != nil {
		text(c, http.StatusInternalServerError, err.Error())
		return
	}
	body(c, code, "application/json", out)
}

// errorPage answers with the HTML page of protocol errors and closes the
// connection.
func errorPage(c *gin.Context, code int, explain string) {
	c.Header("Connection", "close")
	page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>Error response</title></head>\n"+
		"<body><h1>Error response</h1><p>Error code: %d</p><p>Message: %s.</p><p>%s.</p></body></html>\n",
		code, http.StatusText(code), html.EscapeString(explain))
	c.Set(resultKey, explain)
	emit(c, code, "text/html;charset=utf-8", []byte(page))
}

// serverKey is where a request's context has its Server.
type serverKey struct{}

// decorate adds the configured headers, as full answers have them.
func decorate(c *gin.Context) {
	s, _ := c.Request.Context().Value(serverKey{}).(*Server)
	if s == nil {
		return // a handler without a server, in tests
	}
	h := c.Writer.Header()
	for _, extra := range s.policy.Load().headers {
		h[extra.Name] = append(h[extra.Name][:0], extra.Value)
	}
}

func body(c *gin.Context, code int, contentType string, content []byte) {
	decorate(c)
	emit(c, code, contentType, content)
}

func emit(c *gin.Context, code int, contentType string, content []byte) {
	c.Header("Content-Type", contentType)
	c.Header("Content-Length", strconv.Itoa(len(content)))
	c.Status(code)
	_, _ = c.Writer.Write(content) // a client that went away cannot be told
}

// storeDown answers that ZooKeeper could not be read or written. There is
// always a body: patronictl takes a dropped connection as leave to write the
// failover key itself.
func storeDown(c *gin.Context, err error) {
	text(c, http.StatusServiceUnavailable, "ZooKeeper is not available: "+err.Error())
}

// takeTime lifts the connection's limits for a handler that waits. The
// returned function gives the answer its own.
func takeTime(c *gin.Context) (answer func()) {
	rc := http.NewResponseController(c.Writer)
	set := func(at time.Time) {
		// Only writers without a connection, as in tests, lack deadlines.
		_ = rc.SetReadDeadline(time.Time{})
		_ = rc.SetWriteDeadline(at)
	}
	set(time.Time{})
	return func() { set(time.Now().Add(writeLimit)) }
}
