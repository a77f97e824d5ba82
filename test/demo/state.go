package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// state is .demo/cluster.json.
type state struct {
	Scope     string    `json:"scope"`
	ZooKeeper endpoint  `json:"zookeeper"`
	HAProxy   balancer  `json:"haproxy"`
	Nodes     []node    `json:"nodes"`
	Superuser superuser `json:"superuser"`
}

// endpoint is a server with one address.
type endpoint struct {
	Address string `json:"address"` // host:port
	process
}

// balancer is HAProxy with its two ports on 127.0.0.1.
type balancer struct {
	ReadWrite int `json:"read_write_port"`
	ReadOnly  int `json:"read_only_port"`
	process
}

// node is one agent and its PostgreSQL.
type node struct {
	Name    string `json:"name"`
	REST    string `json:"rest_url"`    // http://host:port
	SQL     string `json:"sql_address"` // host:port
	Config  string `json:"config"`
	DataDir string `json:"data_dir"`
	process        // of the agent
}

type superuser struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

func (d *demo) stateFile() string { return filepath.Join(d.dir, "cluster.json") }

// load returns nil if there is no state.
func (d *demo) load() (*state, error) {
	text, err := os.ReadFile(d.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("parse %s: %w", d.stateFile(), err)
	}
	return s, nil
}

func (d *demo) save(s *state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	temp := d.stateFile() + ".new"
	if err := os.WriteFile(temp, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(temp, d.stateFile()); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// running reports whether any process is left, servers that outlived their
// agent included.
func (s *state) running() bool {
	list := []process{s.HAProxy.process, s.ZooKeeper.process}
	for _, n := range s.Nodes {
		list = append(list, n.process, postmaster(n.DataDir))
	}
	return slices.ContainsFunc(list, process.alive)
}
