package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// pollEvery is the pause between two looks while something starts.
const pollEvery = 250 * time.Millisecond

// wait polls done until it is true, fails, or limit has passed.
func (d *demo) wait(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %v", limit))
	defer cancel()
	fmt.Fprintf(d.out, "waiting for %s ...\n", what)
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		}
	}
}

// member is one entry of GET /cluster, as far as it matters here.
type member struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	State string `json:"state"`
}

// view asks the agents for the cluster until one answers.
func view(ctx context.Context, s *state) ([]member, error) {
	client := http.Client{Timeout: 2 * time.Second}
	err := errors.New("no agent")
	for _, n := range s.Nodes {
		var list []member
		if list, err = ask(ctx, &client, n.REST); err == nil && len(list) > 0 {
			return list, nil
		}
	}
	return nil, err
}

func ask(ctx context.Context, client *http.Client, url string) ([]member, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/cluster", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for cluster: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for cluster: %w", err)
	}
	defer resp.Body.Close()
	var body struct {
		Members []member `json:"members"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("parse cluster: %w", err)
	}
	return body.Members, nil
}

// complete reports whether there are one leader and two streaming standbys.
func complete(list []member) bool {
	leaders, standbys := 0, 0
	for _, m := range list {
		switch {
		case m.Role == "leader" && m.State == "running":
			leaders++
		case m.Role == "replica" && m.State == "streaming":
			standbys++
		}
	}
	return leaders == 1 && standbys == members-1
}

// waitComplete waits for the leader and its standbys, and ends early when an
// agent or HAProxy has.
func (d *demo) waitComplete(ctx context.Context, s *state) error {
	var last []member
	err := d.wait(ctx, startLimit, "a leader and two streaming standbys", func() (bool, error) {
		for _, n := range s.Nodes {
			if !n.alive() {
				return false, d.ended(n.Name)
			}
		}
		if !s.HAProxy.alive() {
			return false, d.ended("haproxy")
		}
		list, err := view(ctx, s)
		if err != nil {
			return false, nil // the agents are just starting
		}
		if fmt.Sprint(list) != fmt.Sprint(last) {
			last = list
			fmt.Fprintln(d.out, " ", describe(list))
		}
		return complete(list), nil
	})
	return err
}

func describe(list []member) string {
	words := make([]string, 0, len(list))
	for _, m := range list {
		words = append(words, fmt.Sprintf("%s: %s, %s", m.Name, m.Role, m.State))
	}
	return strings.Join(words, "; ")
}

// ended is the error for a process that has ended, with its last lines.
func (d *demo) ended(name string) error {
	text, err := os.ReadFile(d.logFile(name))
	if err != nil {
		return fmt.Errorf("%s has ended: %w", name, err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	const tail = 10
	return fmt.Errorf("%s has ended; its last lines:\n%s", name, strings.Join(lines[max(0, len(lines)-tail):], "\n"))
}
