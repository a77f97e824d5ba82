package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/pgregent/pgregent/plugins/sdk"
)

// settings of the plugin.
type settings struct {
	URL     string            `plugin:"url,required" help:"where to send the events"`
	Secret  string            `plugin:"secret,secret" help:"key of the signature"`
	Actions []string          `plugin:"actions" help:"the events to send; none: all"`
	Headers map[string]string `plugin:"headers" help:"further headers"`
	Timeout time.Duration     `plugin:"timeout" help:"how long one try may take"`
	Retry   time.Duration     `plugin:"retry" help:"the first pause between tries; it doubles each time"`
}

// New makes the plugin.
func New() sdk.Plugin {
	s := &settings{Timeout: 5 * time.Second, Retry: 500 * time.Millisecond}
	h := &hook{s: s, client: &http.Client{}}
	return sdk.Plugin{Name: "webhook", Settings: s, Callback: h, Check: func() error {
		u, err := url.Parse(s.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("url must be an http or https URL")
		}
		return nil
	}}
}

type hook struct {
	s      *settings
	client *http.Client
}

// event is the body.
type event struct {
	Action   string `json:"action"`
	Cluster  string `json:"cluster"`
	Node     string `json:"node"`
	Role     string `json:"role"`
	OldRole  string `json:"old_role,omitempty"`
	Epoch    int64  `json:"epoch,omitempty"`
	LSN      uint64 `json:"lsn,omitempty"`
	Timeline uint32 `json:"timeline,omitempty"`
	At       string `json:"at"`
	Sequence int64  `json:"sequence"`
}

// longestPause bounds the pause between tries.
const longestPause = 10 * time.Second

// Notify implements sdk.Callback. It tries until ctx ends.
func (h *hook) Notify(ctx context.Context, e sdk.Event) error {
	if len(h.s.Actions) > 0 && !slices.Contains(h.s.Actions, e.Action) {
		return nil
	}
	body, err := json.Marshal(event{
		Action: e.Action, Cluster: e.Cluster, Node: e.Node, Role: e.Role, OldRole: e.OldRole, Epoch: e.Epoch, LSN: e.LSN,
		Timeline: e.Timeline, At: e.At.UTC().Format(time.RFC3339Nano), Sequence: e.Sequence,
	})
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	for pause := h.s.Retry; ; pause = min(2*pause, longestPause) {
		again, err := h.post(ctx, body)
		if err == nil || !again {
			return err
		}
		slog.Warn("the event was not taken; it is sent again", "action", e.Action, "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return fmt.Errorf("given up: %w", err)
		case <-time.After(pause):
		}
	}
}

// post tries once; again says whether another try may help.
func (h *hook) post(ctx context.Context, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.s.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.s.URL, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	for k, v := range h.s.Headers {
		r.Header.Set(k, v)
	}
	if h.s.Secret != "" {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		r.Header.Set("X-Pgregent-Timestamp", at)
		r.Header.Set("X-Pgregent-Signature", "sha256="+sign(h.s.Secret, at, body))
	}
	resp, err := h.client.Do(r)
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode < 300:
		return false, nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return true, errors.New("answered " + resp.Status)
	}
	return false, errors.New("refused with " + resp.Status)
}

func sign(secret, at string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = m.Write([]byte(at + ".")) // never fails
	_, _ = m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}
