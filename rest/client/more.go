package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/pgregent/pgregent/core/cluster"
)

// CancelRestart drops a scheduled restart.
func (c *Client) CancelRestart(ctx context.Context, apiURL string) (Reply, error) {
	ctx, cancel := quick(ctx)
	defer cancel()
	return c.do(ctx, call{method: http.MethodDelete, apiURL: apiURL, path: "/restart"})
}

// WhatIf asks who would lead if those members were down, or returns a
// *StatusError. Agents of other makes answer 503 with their status document.
func (c *Client) WhatIf(ctx context.Context, apiURL string, down ...string) (*cluster.Object, error) {
	return c.object(ctx, call{method: http.MethodGet, apiURL: apiURL, path: "/whatif?" + url.Values{"down": down}.Encode()})
}
