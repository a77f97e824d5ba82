package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// maxBody is what a ZooKeeper node may hold, in bytes.
const maxBody = 1 << 20

// requiredBody reads a body that must be a JSON object with at least one
// key. It has answered if ok is false.
func requiredBody(c *gin.Context) (o *cluster.Object, ok bool) {
	r := c.Request
	if r.ContentLength == 0 && r.Header.Get("Content-Length") == "" {
		errorPage(c, http.StatusLengthRequired, "Client must specify Content-Length")
		return nil, false
	}
	o, ok = readObject(c)
	if ok && o.Len() == 0 {
		errorPage(c, http.StatusBadRequest, "A JSON object with at least one key is required")
		return nil, false
	}
	return o, ok
}

// optionalBody reads a body that may be missing, which is an empty object.
func optionalBody(c *gin.Context) (*cluster.Object, bool) {
	if c.Request.ContentLength == 0 {
		return &cluster.Object{}, true
	}
	return readObject(c)
}

func readObject(c *gin.Context) (*cluster.Object, bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		errorPage(c, http.StatusRequestEntityTooLarge, large.Error())
		return nil, false
	}
	if err != nil {
		errorPage(c, http.StatusBadRequest, "The body ended early")
		return nil, false
	}
	if !json.Valid(raw) { // which also limits how deep it nests
		errorPage(c, http.StatusBadRequest, "The body is not JSON")
		return nil, false
	}
	o, err := cluster.ParseObject(raw)
	if err != nil {
		errorPage(c, http.StatusBadRequest, "The body is not a JSON object")
		return nil, false
	}
	return o, true
}

// textKey reads a key that must be a text; an empty text and null are as
// good as absent.
func textKey(o *cluster.Object, key string) (string, *refusal) {
	v := o.Get(key)
	s, isText := v.(string)
	if v != nil && !isText {
		return "", badRequest(key + " must be a string")
	}
	return s, nil
}
