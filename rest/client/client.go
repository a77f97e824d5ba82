package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// callLimit bounds calls that should be quick.
	callLimit = 10 * time.Second
	// dialLimit is how long a host that does not answer may hold a call.
	dialLimit = 3 * time.Second
	// maxAnswer is the largest body that is read, in bytes.
	maxAnswer = 8 << 20
)

// Options are what a Client needs. The zero value is without credentials.
type Options struct {
	// Username and Password are sent with calls that change something.
	Username string
	Password string
	// TLS is for members with https addresses; nil: the system's roots.
	TLS *tls.Config
	// Scope is the cluster's: who says that it is of another is not one of its
	// members, whatever its address is. "": any.
	Scope string
	// TraceParent is the W3C trace context of the calls that Do makes; "" for
	// none.
	TraceParent string
}

// Client calls agents.
type Client struct {
	options Options
	http    *http.Client
}

// New returns a client.
func New(o Options) *Client {
	dialer := &net.Dialer{Timeout: dialLimit, KeepAlive: 15 * time.Second}
	return &Client{
		options: o,
		http: &http.Client{
			// No proxy: members reach each other directly. Redirects are
			// not followed: nobody sends them, and credentials would travel.
			Transport: &http.Transport{
				DialContext: dialer.DialContext, TLSClientConfig: o.TLS, TLSHandshakeTimeout: dialLimit,
				MaxIdleConnsPerHost: 2, IdleConnTimeout: 60 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reply is what a call was answered.
type Reply struct {
	Code int
	// Text is the body: a sentence, or JSON.
	Text string
	// header is the answer's, for Alive.
	header http.Header
}

// OK reports a code of 200 to 299.
func (r Reply) OK() bool { return r.Code >= 200 && r.Code < 300 }

// StatusError is an answer with another code than the call needs.
type StatusError struct{ Reply }

func (e *StatusError) Error() string { return fmt.Sprintf("answered %d: %s", e.Code, e.Text) }

// endpoint replaces the path of an api_url, as peers do.
func endpoint(apiURL, path string) (string, error) {
	u, err := url.Parse(apiURL)
	if err != nil {
		return "", fmt.Errorf("read api_url: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("read api_url: %q is not an http address", apiURL)
	}
	return u.Scheme + "://" + u.Host + path, nil
}

// call is one request. body nil sends none.
type call struct {
	method, apiURL, path string
	body                 []byte
	traceParent          string
	// named sends the credentials also with a call that changes nothing.
	named bool
}

// do sends the request with credentials and reads the whole answer.
func (c *Client) do(ctx context.Context, k call) (Reply, error) {
	address, err := endpoint(k.apiURL, k.path)
	if err != nil {
		return Reply{}, err
	}
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, address, body)
	if err != nil {
		return Reply{}, fmt.Errorf("make request: %w", err)
	}
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.traceParent != "" {
		req.Header.Set("Traceparent", k.traceParent)
	}
	if (k.named || k.method != http.MethodGet) && (c.options.Username != "" || c.options.Password != "") {
		req.SetBasicAuth(c.options.Username, c.options.Password)
	}
	return c.send(req, maxAnswer)
}

type traceKey struct{}

// WithTraceParent has the calls that ctx is for carry that W3C trace context.
func WithTraceParent(ctx context.Context, traceParent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceParent)
}

func (c *Client) send(req *http.Request, limit int64) (Reply, error) {
	if tp, _ := req.Context().Value(traceKey{}).(string); tp != "" && req.Header.Get("Traceparent") == "" {
		req.Header.Set("Traceparent", tp)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, fmt.Errorf("call %s: %w", req.URL.Path, explain(req.Context(), err))
	}
	defer func() { _ = resp.Body.Close() }() // all that is needed was read
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return Reply{}, fmt.Errorf("read answer of %s: %w", req.URL.Path, explain(req.Context(), err))
	}
	if int64(len(text)) > limit {
		return Reply{}, fmt.Errorf("read answer of %s: it is longer than %d bytes", req.URL.Path, limit)
	}
	return Reply{Code: resp.StatusCode, Text: string(text), header: resp.Header}, nil
}

// explain names the limit that ended a call, where one did.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && !errors.Is(err, cause) {
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func quick(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, callLimit, fmt.Errorf("no answer within %v: %w", callLimit, context.DeadlineExceeded))
}
