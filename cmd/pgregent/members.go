package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/core/cluster"
)

// memberFile is one row of members.json: whom to ask whether it still accepts
// writes, when its key is gone.
type memberFile struct {
	Name   string `json:"name"`
	APIURL string `json:"api_url"`
}

func (d *stateDir) membersPath() string { return filepath.Join(d.dir, "members.json") }

// saveMembers keeps the members' names and addresses.
func (d *stateDir) saveMembers(list []cluster.Member) error {
	rows := make([]memberFile, 0, len(list))
	for _, m := range list {
		rows = append(rows, memberFile{Name: m.Name, APIURL: m.Data.APIURL})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode members: %w", err)
	}
	return renameio.WriteFile(d.membersPath(), text, 0o600)
}

// loadMembers returns those that were saved last; none if that cannot be read.
func (d *stateDir) loadMembers() []cluster.Member {
	text, err := os.ReadFile(d.membersPath())
	if err != nil {
		return nil
	}
	var rows []memberFile
	if json.Unmarshal(text, &rows) != nil {
		return nil
	}
	var list []cluster.Member
	for _, r := range rows {
		list = append(list, cluster.Member{Name: r.Name, Data: cluster.MemberData{APIURL: r.APIURL}})
	}
	return list
}

func (n *node) saveMembers(list []cluster.Member) {
	if err := n.dir.saveMembers(list); err != nil {
		n.log.Warn("save members", "err", err)
	}
}
