package cluster

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Member is one entry below members/.
type Member struct {
	Name string
	// Session is the ZooKeeper session that owns the key.
	Session int64
	// Version is the number of changes to the key since its creation.
	Version int32
	Data    MemberData
}

// MemberData is the value of a member key. Field order is the order of the
// keys in the text.
type MemberData struct {
	// ConnURL is postgres://host:port/database, without credentials.
	ConnURL string
	// APIURL is http(s)://host:port/patroni. Peers GET exactly this.
	APIURL string
	State  State
	Role   Role
	// Version is the interface version that is spoken, digits and dots.
	Version  string
	ProxyURL string
	// CheckpointPending is published as checkpoint_after_promote:false from
	// promotion until the checkpoint is done; absence means done.
	CheckpointPending    bool
	Tags                 Tags
	PendingRestart       bool
	PendingRestartReason *Object
	// XLogLocation is the flush LSN of a primary, or the larger of received
	// and replayed LSN of a standby.
	XLogLocation     LSN
	ReplayLSN        LSN
	ReceiveLSN       LSN
	ReplicationState string
	Timeline         Timeline
	ScheduledRestart *Object
	Pause            bool
	// Build is the summary of the data directory that is being made, as
	// pgregent.build; nil if none is.
	Build *Object
}

// IsPrimary reports the role primary, also in its old spelling.
func (d MemberData) IsPrimary() bool { return d.Role == RolePrimary || d.Role == "master" }

// Before reports that the member speaks an older interface than major.minor.
// One that cannot be read is not older; a missing minor version counts as 0.
func (d MemberData) Before(major, minor int) bool {
	first, rest, _ := strings.Cut(d.Version, ".")
	second, _, _ := strings.Cut(rest, ".")
	x, err := strconv.Atoi(first)
	if err != nil {
		return false
	}
	y, err := strconv.Atoi(second)
	return x < major || x == major && y < minor && (err == nil || second == "")
}

// MarshalJSON writes the value of a member key; absent facts are left out.
func (d MemberData) MarshalJSON() ([]byte, error) {
	o := &Object{}
	o.Set("conn_url", d.ConnURL)
	o.Set("api_url", d.APIURL)
	o.Set("state", string(d.State))
	o.Set("role", string(d.Role))
	o.Set("version", d.Version)
	if d.ProxyURL != "" {
		o.Set("proxy_url", d.ProxyURL)
	}
	if d.CheckpointPending {
		o.Set("checkpoint_after_promote", false)
	}
	if d.Tags.Len() > 0 {
		o.Set("tags", d.Tags.Object())
	}
	if d.PendingRestart {
		o.Set("pending_restart", true)
		if d.PendingRestartReason.Len() > 0 {
			o.Set("pending_restart_reason", d.PendingRestartReason)
		}
	}
	for _, f := range []struct {
		key string
		n   uint64
	}{
		{"xlog_location", uint64(d.XLogLocation)},
		{"replay_lsn", uint64(d.ReplayLSN)},
		{"receive_lsn", uint64(d.ReceiveLSN)},
	} {
		if f.n > 0 {
			o.Set(f.key, json.Number(strconv.FormatUint(f.n, 10)))
		}
	}
	if d.ReplicationState != "" {
		o.Set("replication_state", d.ReplicationState)
	}
	if d.Timeline > 0 {
		o.Set("timeline", json.Number(strconv.FormatUint(uint64(d.Timeline), 10)))
	}
	if d.ScheduledRestart.Len() > 0 {
		o.Set("scheduled_restart", d.ScheduledRestart)
	}
	if d.Pause {
		o.Set("pause", true)
	}
	if d.Build.Len() > 0 {
		own := &Object{}
		own.Set("build", d.Build)
		o.Set("pgregent", own)
	}
	return o.MarshalJSON()
}

// ParseMember reads a member key. It never fails: a text that cannot be read
// gives a member without data, as Patroni's readers do.
func ParseMember(name string, text []byte) Member {
	m := Member{Name: name}
	if strings.HasPrefix(string(text), "postgres") {
		m.Data = parseLegacyMember(string(text))
		return m
	}
	o, err := ParseObject(text)
	if err != nil {
		return m
	}
	str := func(key string) string { s, _ := o.Get(key).(string); return s }
	lsn := func(key string) LSN { n, _ := lsnOf(o.Get(key)); return n }
	flag := func(key string) bool { b, _ := ParseBool(o.Get(key)); return b }
	m.Data = MemberData{
		ConnURL: str("conn_url"), APIURL: str("api_url"),
		State: State(str("state")), Role: Role(str("role")),
		Version: str("version"), ProxyURL: str("proxy_url"),
		CheckpointPending: o.Has("checkpoint_after_promote") && !flag("checkpoint_after_promote"),
		Tags:              NewTags(o.Object("tags")),
		PendingRestart:    flag("pending_restart"), PendingRestartReason: o.Object("pending_restart_reason"),
		XLogLocation: lsn("xlog_location"), ReplayLSN: lsn("replay_lsn"), ReceiveLSN: lsn("receive_lsn"),
		ReplicationState: str("replication_state"),
		ScheduledRestart: o.Object("scheduled_restart"), Pause: flag("pause"),
		Build: o.Object("pgregent").Object("build"),
	}
	m.Data.Timeline, _ = timelineOf(o.Get("timeline"))
	if m.Data.ConnURL == "" {
		m.Data.ConnURL = urlOfKeywords(o.Object("conn_kwargs"))
	}
	return m
}

// urlOfKeywords makes the connection URL of the keywords that some releases
// write in its place, with libpq's defaults; "" without a host.
func urlOfKeywords(kw *Object) string {
	text := func(key, otherwise string) string {
		if v := kw.Get(key); Truthy(v) {
			return Text(v)
		}
		return otherwise
	}
	host := text("host", "")
	if host == "" {
		return ""
	}
	if strings.Contains(host, ":") { // IPv6
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	return "postgres://" + host + ":" + text("port", "5432") + "/" + text("dbname", "postgres")
}

func parseLegacyMember(text string) MemberData {
	u, err := url.Parse(text)
	if err != nil {
		return MemberData{}
	}
	d := MemberData{APIURL: u.Query().Get("application_name")}
	u.RawQuery = ""
	d.ConnURL = u.String()
	return d
}

// Address is the host and port of the member's PostgreSQL, from ConnURL.
// ok is false if there is none.
func (d MemberData) Address() (host string, port int, ok bool) {
	if host, port, ok = plainAddress(d.ConnURL); ok {
		return host, port, true
	}
	u, err := url.Parse(d.ConnURL)
	if err != nil || u.Hostname() == "" {
		return "", 0, false
	}
	port = 5432
	if p, err := strconv.Atoi(u.Port()); err == nil {
		port = p
	}
	return u.Hostname(), port, true
}

// plainAddress reads postgres://host:port/database in which nothing is quoted,
// as every round does several times; ok is false for anything else.
func plainAddress(url string) (host string, port int, ok bool) {
	rest, ok := strings.CutPrefix(url, "postgres://")
	if !ok {
		return "", 0, false
	}
	for i := range len(rest) {
		switch c := rest[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '/':
		default:
			return "", 0, false
		}
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, number, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(number, 10, 16)
	return host, int(n), err == nil && host != ""
}

// SlotName is the replication slot that a member streams through: lower
// case, "-" and "." as "_", other characters as "u" and their code point,
// cut at 63 bytes.
func SlotName(member string) string {
	if plainName(member) {
		return member
	}
	var b strings.Builder
	for _, r := range strings.ToLower(member) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case r == '-' || r == '.':
			b.WriteByte('_')
		default:
			fmt.Fprintf(&b, "u%04d", r)
		}
	}
	s := b.String()
	return s[:min(len(s), 63)]
}

// plainName reports that a member name is a slot name as it is.
func plainName(member string) bool {
	for i := range len(member) {
		if c := member[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return len(member) <= 63
}
