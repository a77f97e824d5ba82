package config

import (
	"net/netip"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// RESTAccess is the part of the restapi section that says who may call, and
// how. It may change while the agent runs.
type RESTAccess struct {
	TLS
	// CAFile verifies client certificates.
	CAFile  string
	Ciphers string
	// VerifyClient is none, optional or required.
	VerifyClient string
	// Allowlist are networks, addresses and host names; empty: everybody.
	Allowlist      []string
	IncludeMembers bool
	// HTTPHeaders go with full answers; HTTPSHeaders are added to them, and
	// win, where the API speaks TLS.
	HTTPHeaders, HTTPSHeaders []Parameter
	// ServerTokens is original, minimal or productonly.
	ServerTokens string
	// ConnectionsPerAddress bounds open connections from one address. Native
	// key max_connections_per_address, default 1000; 0 means no bound.
	ConnectionsPerAddress int
	Identities            []Identity
	AgentCheck            AgentCheck
	// MasterRole shows the role of a primary as master in the documents.
	// Native key primary_role (primary or master).
	MasterRole bool
}

// TLS are the files of one side's certificate; CertFile "": there is none.
type TLS struct{ CertFile, KeyFile, KeyPassword string }

// Identity is one entry of the native key restapi.identities.
type Identity struct {
	Name string
	// Role is viewer, operator or admin.
	Role string
	// Certificate is the subject, or common name, of a client certificate;
	// Token a bearer token, or TokenSHA256 its digest in hexadecimal.
	Certificate, Token, TokenSHA256 string
}

// AgentCheck is the native section restapi.agent_check: HAProxy's agent-check.
type AgentCheck struct {
	// Listen is host:port; "": there is none.
	Listen string
	// Check is the path of the health check that decides, /replica by default.
	Check string
	// MaxLag is the lag in bytes at which the weight reaches 1 %; 0:
	// maximum_lag_on_failover.
	MaxLag int64
}

// Ctl is the ctl section: how agents, and the command line tool, call agents.
type Ctl struct {
	TLS
	Insecure           bool
	CAFile             string
	Username, Password string
}

// defaultConnections is more than any pool of load balancers behind one
// address keeps open.
const defaultConnections = 1000

func (d *document) restAccess() RESTAccess {
	a := RESTAccess{
		TLS: d.tlsFiles("restapi"), CAFile: d.text("restapi.cafile"), Ciphers: d.text("restapi.ciphers"),
		VerifyClient: d.oneOf("restapi.verify_client", "none", "optional", "required"),
		Allowlist:    d.allowlist(),
		HTTPHeaders:  d.headers("restapi.http_extra_headers"), HTTPSHeaders: d.headers("restapi.https_extra_headers"),
		ServerTokens:          d.oneOf("restapi.server_tokens", "original", "minimal", "productonly"),
		ConnectionsPerAddress: defaultConnections,
		MasterRole:            d.oneOf("restapi.primary_role", "primary", "master") == "master",
		Identities:            d.identities(), AgentCheck: d.agentCheck(),
	}
	a.IncludeMembers = d.boolAt("restapi.allowlist_include_members")
	if v := d.lookup("restapi.max_connections_per_address"); v != nil {
		n, _ := cluster.ParseInt(v)
		a.ConnectionsPerAddress = int(n)
	}
	if a.VerifyClient != "none" && a.CertFile == "" {
		d.report(Warning, "restapi.verify_client", a.VerifyClient, "has no effect without restapi.certfile")
	}
	return a
}

func (d *document) ctl() Ctl {
	c := Ctl{
		TLS: d.tlsFiles("ctl"), Insecure: d.boolAt("ctl.insecure"), CAFile: d.text("ctl.cacert"),
		Username: d.text("ctl.authentication.username"), Password: d.text("ctl.authentication.password"),
	}
	if auth := d.text("ctl.auth"); auth != "" && c.Username == "" {
		c.Username, c.Password, _ = strings.Cut(auth, ":")
	}
	return c
}

func (d *document) tlsFiles(section string) TLS {
	t := TLS{d.text(section + ".certfile"), d.text(section + ".keyfile"), d.text(section + ".keyfile_password")}
	if t.CertFile == "" && t.KeyFile != "" {
		d.report(Error, section+".keyfile", t.KeyFile, "needs %s.certfile", section)
	}
	return t
}

// oneOf reads a word in any case; the first is the default, and stands for
// what is not one of them.
func (d *document) oneOf(path string, words ...string) string {
	v := d.lookup(path)
	if v == nil || v == "" {
		return words[0]
	}
	for _, w := range words {
		if strings.EqualFold(cluster.Text(v), w) {
			return w
		}
	}
	return words[0] // told by the check of all keys
}

func (d *document) boolAt(path string) bool {
	v := d.lookup(path)
	if v == nil || v == "" {
		return false
	}
	on, _ := cluster.ParseBool(v) // told by the check of all keys
	return on
}

// allowlist checks the entries that are no host names. A text may hold
// several, separated by commas.
func (d *document) allowlist() []string {
	const path = "restapi.allowlist"
	var out []string
	for _, item := range textItems(d.lookup(path)) {
		for entry := range strings.SplitSeq(item, ",") {
			entry = strings.TrimSpace(entry)
			if entry == "" {
				continue
			}
			if strings.Contains(entry, "/") {
				if _, err := netip.ParsePrefix(entry); err != nil {
					d.report(Error, path, entry, "must be networks (192.0.2.0/24), addresses or host names")
				}
			} else if err := checkHost(entry); err != nil {
				d.report(Error, path, entry, "%v", err)
			}
			out = append(out, entry)
		}
	}
	return out
}

func (d *document) headers(path string) []Parameter {
	o, _ := d.lookup(path).(*cluster.Object)
	var out []Parameter
	for name, v := range o.All() {
		value := cluster.Text(v)
		if name == "" || strings.ContainsAny(name, " \t\r\n:") || strings.ContainsAny(value, "\r\n") {
			d.report(Error, path+"."+name, v, "is not a header of HTTP")
			continue
		}
		out = append(out, Parameter{name, value})
	}
	return out
}

func (d *document) identities() []Identity {
	const path = "restapi.identities"
	list, isList := d.lookup(path).([]any)
	if v := d.lookup(path); v != nil && !isList {
		d.report(Error, path, nil, "must be a list of identities with name, role, and certificate, token or token_sha256")
	}
	var out []Identity
	for _, item := range list {
		o, _ := item.(*cluster.Object)
		word := func(key string) string {
			if v := o.Get(key); v != nil && isScalar(v) {
				return cluster.Text(v)
			}
			return ""
		}
		i := Identity{word("name"), strings.ToLower(word("role")), word("certificate"), word("token"), strings.ToLower(word("token_sha256"))}
		switch {
		case i.Name == "":
			d.report(Error, path, nil, "each identity needs a name")
		case i.Role != "viewer" && i.Role != "operator" && i.Role != "admin":
			d.report(Error, path, nil, "the role of %s must be viewer, operator or admin", i.Name)
		case i.Certificate == "" && i.Token == "" && len(i.TokenSHA256) != 64:
			d.report(Error, path, nil, "%s needs a certificate, a token, or the SHA-256 of a token in hexadecimal", i.Name)
		}
		out = append(out, i)
	}
	return out
}

func (d *document) agentCheck() AgentCheck {
	a := AgentCheck{Listen: d.text("restapi.agent_check.listen"), Check: d.text("restapi.agent_check.check")}
	if a.Check == "" {
		a.Check = "/replica"
	}
	if !strings.HasPrefix(a.Check, "/") {
		a.Check = "/" + a.Check
	}
	if a.Listen != "" {
		host, port, err := splitAddress(a.Listen, 0)
		if err != nil {
			d.report(Error, "restapi.agent_check.listen", a.Listen, "%v", err)
		}
		if host = unbracket(host); host == "*" {
			host = ""
		}
		a.Listen = joinAddress(host, port)
	}
	if v := d.lookup("restapi.agent_check.max_lag"); v != nil {
		a.MaxLag, _ = cluster.ParseInt(v)
	}
	return a
}
