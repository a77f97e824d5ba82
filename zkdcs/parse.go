package zkdcs

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pgregent/pgregent/core/cluster"
)

// parse makes a view of the raw znodes, by key. A value that cannot be
// understood is a finding and counts as absent or empty; it never fails.
func parse(nodes map[string]znode) *cluster.Cluster {
	c := &cluster.Cluster{
		Config:   cluster.DynamicConfig{Version: cluster.NoVersion},
		Failover: cluster.Failover{Version: cluster.NoVersion},
		Sync:     cluster.SyncState{Version: cluster.NoVersion},
	}
	keys := make([]string, 0, len(nodes))
	for k, n := range nodes {
		if n.exists {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		n := nodes[k]
		if n.denied {
			finding(c, k, "cannot be read: its ACL does not admit this agent; compare zookeeper.set_acls, auth_data and cert of all members")
		}
		text := utf8.Valid(n.data)
		if !text {
			finding(c, k, "is not UTF-8")
			n.data = nil
		}
		parseKey(c, k, n)
		if k == keySync && !text {
			c.Sync.Broken = true // not the same as a blank one
		}
	}
	return c
}

func finding(c *cluster.Cluster, key, what string) {
	c.Findings = append(c.Findings, fmt.Sprintf("key %s %s", key, what))
}

func parseKey(c *cluster.Cluster, key string, n znode) {
	switch key {
	case keyInitialize:
		parseInitialize(c, n)
	case keyConfig:
		parseConfig(c, n)
	case keyLeader:
		c.Leader = &cluster.Leader{Name: string(n.data), Session: n.stat.EphemeralOwner, Epoch: cluster.Epoch(n.stat.Czxid)}
		if len(n.data) == 0 {
			finding(c, key, "names nobody")
		}
	case keyFailover:
		c.Failover = cluster.ParseFailover(n.data, n.stat.Version)
		if c.Failover.Problem != "" {
			finding(c, key, "is ignored: "+c.Failover.Problem)
		}
	case keySync:
		c.Sync = cluster.ParseSync(n.data, n.stat.Version)
		wantObject(c, key, n.data)
	case keyStatus:
		c.Status = cluster.ParseStatus(n.data)
		if _, ok := cluster.ParseInt(string(n.data)); !ok {
			wantObject(c, key, n.data)
		}
	case keyHistory:
		c.HistoryZxid = n.stat.Mzxid
		if c.History = cluster.ParseHistory(n.data); c.History == nil {
			finding(c, key, "is not an array of rows")
		}
	case keyFailsafe:
		parseFailsafe(c, n)
	default:
		if name, ok := strings.CutPrefix(key, keyMembers+"/"); ok {
			parseMember(c, name, n)
		}
	}
}

// wantObject notes a finding unless text is a JSON object or empty.
func wantObject(c *cluster.Cluster, key string, text []byte) *cluster.Object {
	if len(text) == 0 {
		return nil
	}
	o, err := cluster.ParseObject(text)
	if err != nil {
		finding(c, key, "is not understood: "+err.Error())
		return nil
	}
	return o
}

func parseInitialize(c *cluster.Cluster, n znode) {
	v := string(n.data)
	c.Initialize, c.InitializeVersion = &v, n.stat.Version
	if v != "" && !cluster.ValidSystemID(v) {
		finding(c, keyInitialize, "is not a system identifier")
	}
}

func parseConfig(c *cluster.Cluster, n znode) {
	c.Config.Version = n.stat.Version
	o := wantObject(c, keyConfig, n.data)
	if o == nil {
		return // counts as wiped, hence without a modification
	}
	c.Config.ModifiedZxid = n.stat.Mzxid
	if o.Len() > 0 {
		c.Config.Object = o
	}
}

func parseFailsafe(c *cluster.Cluster, n znode) {
	o := wantObject(c, keyFailsafe, n.data)
	if o == nil {
		return
	}
	c.Failsafe = map[string]string{}
	for name, v := range o.All() {
		if url, ok := v.(string); ok {
			c.Failsafe[name] = url
		}
	}
}

func parseMember(c *cluster.Cluster, name string, n znode) {
	m := cluster.ParseMember(name, n.data)
	m.Session, m.Version = n.stat.EphemeralOwner, n.stat.Version
	if !strings.HasPrefix(string(n.data), "postgres") {
		wantObject(c, keyMembers+"/"+name, n.data)
	}
	c.Members = append(c.Members, m)
}
