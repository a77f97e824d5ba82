package client

import (
	"context"
	"net/http"
)

// Do makes any call that has no method of its own: the operator's tool speaks
// to agents of several releases. body nil sends none. The context is the only
// limit. An error says nothing about whether the call was carried out.
func (c *Client) Do(ctx context.Context, method, apiURL, path string, body []byte) (Reply, error) {
	return c.do(ctx, call{method: method, apiURL: apiURL, path: path, body: body, traceParent: c.options.TraceParent})
}

// Get reads what is not for everybody: it says who asks. The context is the
// only limit.
func (c *Client) Get(ctx context.Context, apiURL, path string) (Reply, error) {
	return c.do(ctx, call{method: http.MethodGet, apiURL: apiURL, path: path, named: true})
}

// Header returns one header of the answer.
func (r Reply) Header(name string) string { return r.header.Get(name) }
