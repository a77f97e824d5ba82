package config

import (
	"cmp"
	"errors"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Tool is what the operator's tool reads: a file of its own with the store,
// the cluster's name and the credentials, or the file of an agent.
type Tool struct {
	Scope     string
	Namespace string
	// Group is the Citus group that the cluster is, "" for none.
	Group     string
	ZooKeeper ZooKeeper
	// Username and Password are for the calls of the REST API that change
	// something: those of the ctl section, else those of restapi.
	Username string
	Password string
	// CACert is the file of the authorities that the agents' certificates are
	// verified with, "" for the host's own. CertFile and KeyFile are shown to
	// agents that ask for a certificate.
	CACert      string
	CertFile    string
	KeyFile     string
	KeyPassword string
	// Insecure accepts any certificate of an agent.
	Insecure bool
	// Agent reports that the file is one of an agent, not of the tool alone.
	Agent bool
}

// LoadTool reads the configuration of the operator's tool at path as Load
// does, without asking for what only an agent needs. An empty path stands for
// the environment alone.
func LoadTool(path string, environ []string) (*Tool, []Finding, error) {
	d, err := readSources(path, environ)
	if err != nil {
		return nil, nil, err
	}
	if d.unreadable {
		return nil, d.findings, &InvalidError{Findings: d.findings}
	}
	t := &Tool{
		Scope: d.text("scope"), Namespace: cmp.Or(d.text("namespace"), defaultNamespace), Group: d.text("citus.group"),
		Username: d.text("ctl.authentication.username"), Password: d.text("ctl.authentication.password"),
		CACert:   cmp.Or(d.text("ctl.cacert"), d.text("restapi.cafile")),
		CertFile: d.text("ctl.certfile"), KeyFile: d.text("ctl.keyfile"), KeyPassword: d.text("ctl.keyfile_password"),
		Agent: d.text("postgresql.data_dir") != "",
	}
	t.Insecure, _ = cluster.ParseBool(d.lookup("ctl.insecure"))
	if auth := d.text("ctl.auth"); t.Username == "" && auth != "" {
		t.Username, t.Password, _ = strings.Cut(auth, ":")
	}
	if t.Username == "" {
		t.Username, t.Password = d.text("restapi.authentication.username"), d.text("restapi.authentication.password")
	}
	if auth := d.text("restapi.auth"); t.Username == "" && auth != "" {
		t.Username, t.Password, _ = strings.Cut(auth, ":")
	}
	t.ZooKeeper = d.zooKeeper()
	if d.unreadable {
		return nil, d.findings, &InvalidError{Findings: errorsOf(d.findings)}
	}
	return t, d.findings, nil
}

func errorsOf(findings []Finding) []Finding {
	var list []Finding
	for _, f := range findings {
		if f.Severity == Error {
			list = append(list, f)
		}
	}
	return list
}

// ParseValue reads one value of YAML 1.1, as a person writes it.
func ParseValue(text []byte) (any, error) {
	d := newDocument("")
	node, err := decodeOne(text)
	if err != nil || node == nil {
		return nil, err
	}
	r := &yamlReader{doc: d, budget: maxNodes}
	v := r.value(node, "", 0)
	if len(d.findings) > 0 {
		return nil, &InvalidError{Findings: d.findings}
	}
	return v, nil
}

// ParseDocument reads one YAML mapping.
func ParseDocument(text []byte) (*cluster.Object, error) {
	v, err := ParseValue(text)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*cluster.Object)
	if !ok {
		return nil, errors.New("it is not a mapping of keys to values")
	}
	return o, nil
}
