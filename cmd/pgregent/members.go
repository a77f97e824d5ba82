package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/core/cluster"
)

// membersFile is members.json. It names its cluster: a state_dir that is given
// to another one says nothing about that one's members.
type membersFile struct {
	Namespace string      `json:"namespace"`
	Scope     string      `json:"scope"`
	Members   []memberRow `json:"members"`
}

// memberRow is one member: whom to ask whether it still accepts writes, when
// its key is gone.
type memberRow struct {
	Name   string `json:"name"`
	APIURL string `json:"api_url"`
}

func (d *stateDir) membersPath() string { return filepath.Join(d.dir, "members.json") }

// saveMembers keeps the members' names and addresses.
func (d *stateDir) saveMembers(list []cluster.Member) error {
	file := membersFile{Namespace: d.local.Namespace, Scope: d.local.Scope}
	for _, m := range list {
		file.Members = append(file.Members, memberRow{Name: m.Name, APIURL: m.Data.APIURL})
	}
	text, err := json.Marshal(file)
	if err != nil {
		return fmt.Errorf("encode members: %w", err)
	}
	return renameio.WriteFile(d.membersPath(), text, 0o600)
}

// loadMembers returns those that were saved last; none if that cannot be
// read, or is of another cluster.
func (d *stateDir) loadMembers() []cluster.Member {
	text, err := os.ReadFile(d.membersPath())
	if err != nil {
		return nil
	}
	var file membersFile
	if json.Unmarshal(text, &file) != nil || file.Namespace != d.local.Namespace || file.Scope != d.local.Scope {
		return nil
	}
	var list []cluster.Member
	for _, r := range file.Members {
		list = append(list, cluster.Member{Name: r.Name, Data: cluster.MemberData{APIURL: r.APIURL}})
	}
	return list
}

func (n *node) saveMembers(list []cluster.Member) {
	if err := n.dir.saveMembers(list); err != nil {
		n.log.Warn("save members", "err", err)
	}
}
