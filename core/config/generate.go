package config

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// fixMe stands where only the operator knows the value.
const fixMe = "#FIXME"

// Host is where a configuration is generated for.
type Host struct {
	// Name is the host's name, Address one under which others reach it.
	Name, Address string
	// Major is the version of the installed PostgreSQL, BinDir where it is.
	Major  int
	BinDir string
}

// Running is what a running PostgreSQL says of itself.
type Running struct {
	ClusterName, DataDir, ConfigDir, BinDir string
	ListenAddresses                         string
	Port                                    int
	// Parameters are those set in files, on the command line or in the
	// environment.
	Parameters []Parameter
	// HBA and Ident are the lines of the files, without comments; nil if they
	// are not where the agent would write them.
	HBA, Ident []string
	Superuser  Credentials
}

// GenerateSample writes a commented configuration for a new cluster on h.
// The variables of environ replace its values. What the operator must fill in
// is #FIXME.
func GenerateSample(h Host, environ []string) ([]byte, []Finding) {
	return generate(sampleDocument(h), h, environ)
}

// GenerateFrom writes a commented configuration for the PostgreSQL that runs
// as r on h.
func GenerateFrom(r Running, h Host, environ []string) ([]byte, []Finding) {
	return generate(runningDocument(r, h), h, environ)
}

func generate(d *document, h Host, environ []string) ([]byte, []Finding) {
	d.overlay(environ, patroniPrefix)
	d.overlay(environ, nativePrefix)
	docs := map[string]string{}
	for k := range Keys() {
		if k.In != InStore {
			docs[k.Path] = k.Doc
		}
		if k.In != InFile {
			docs[join(dcsSection, k.Path)] = k.Doc
		}
	}
	docs["bootstrap"] = "Read only when the cluster does not exist in ZooKeeper yet; later changes are made\nwith \"patronictl edit-config\" or PATCH /config."
	docs[dcsSection] = "The first dynamic configuration."
	comment := func(path string) string { return docs[path] }
	head := fmt.Sprintf("# Generated for %s with PostgreSQL %d. Replace every %s, then check the file with\n#   pgregent --validate-config FILE\n\n", h.Name, h.Major, fixMe)
	return append([]byte(head), writeYAML(d.root, yamlWriter{comment: comment})...), d.findings
}

// put sets values in the order of the list: path, value, path, value.
func (d *document) put(list ...any) {
	for i := 0; i+1 < len(list); i += 2 {
		d.set(list[i].(string), list[i+1], position{})
	}
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// frame is what both kinds of generated files begin with.
func frame(h Host, scope string) *document {
	d := newDocument("")
	d.put(
		"scope", scope, "namespace", defaultNamespace, "name", h.Name,
		"log.type", "plain", "log.level", "INFO",
		"restapi.listen", joinAddress(h.Address, 8008), "restapi.connect_address", joinAddress(h.Address, 8008),
		"zookeeper.hosts", []any{fixMe},
		"bootstrap.dcs.ttl", number(30), "bootstrap.dcs.loop_wait", number(10), "bootstrap.dcs.retry_timeout", number(10),
		"bootstrap.dcs.maximum_lag_on_failover", number(1<<20),
		"bootstrap.dcs.postgresql.use_pg_rewind", true, "bootstrap.dcs.postgresql.use_slots", true,
	)
	return d
}

// putTags adds what both end with.
func (d *document) putTags() {
	d.put(
		"watchdog.mode", "automatic",
		"tags.failover_priority", number(1), "tags.sync_priority", number(1), "tags.noloadbalance", false,
		"tags.clonefrom", true, "tags.nosync", false, "tags.nostream", false,
	)
}

func sampleDocument(h Host) *document {
	d := frame(h, fixMe)
	const parameters = "bootstrap.dcs.postgresql.parameters."
	for _, c := range controlled {
		var v any = c.def
		if n, err := strconv.Atoi(c.def); err == nil {
			v = number(n)
		}
		d.put(parameters+c.name, v)
	}
	d.put(
		parameters+"wal_keep_size", strconv.Itoa(defaultWALKeepMB)+"MB",
		"bootstrap.initdb", []any{textObject("encoding", "UTF8"), "data-checksums"},
		"postgresql.listen", joinAddress(h.Address, defaultPostgresPort),
		"postgresql.connect_address", joinAddress(h.Address, defaultPostgresPort),
		"postgresql.data_dir", fixMe,
		"postgresql.bin_dir", h.BinDir,
		"postgresql.authentication.superuser", textObject("username", "postgres", "password", fixMe),
		"postgresql.authentication.replication", textObject("username", "replicator", "password", fixMe),
		"postgresql.authentication.rewind", textObject("username", "rewind_user", "password", fixMe),
		"postgresql.parameters.password_encryption", "scram-sha-256",
		"postgresql.pg_hba", []any{"host all all all scram-sha-256", "host replication replicator all scram-sha-256"},
	)
	d.putTags()
	return d
}

func textObject(list ...string) *cluster.Object {
	o := &cluster.Object{}
	for i := 0; i+1 < len(list); i += 2 {
		o.Set(list[i], list[i+1])
	}
	return o
}

// localCommands are parameters that may differ between the members, or name
// their files: they go into the local section.
var localCommands = []string{
	"archive_command", "restore_command", "archive_cleanup_command", "recovery_end_command",
	"ssl_passphrase_command", "hba_file", "ident_file", "config_file",
}

func runningDocument(r Running, h Host) *document {
	scope := r.ClusterName
	if scope == "" {
		scope = fixMe
	}
	d := frame(h, scope)
	dynamic, local := &cluster.Object{}, &cluster.Object{}
	for _, p := range r.Parameters {
		switch {
		case slices.Contains(fromAddress, p.Name) || isOwnRecovery(p.Name) || p.Name == "data_directory" || p.Name == "config_file":
		case (p.Name == "hba_file" && r.HBA != nil) || (p.Name == "ident_file" && r.Ident != nil):
		case slices.Contains(localCommands, p.Name):
			local.Set(p.Name, p.Value)
		default:
			dynamic.Set(p.Name, p.Value)
		}
	}
	d.put("bootstrap.dcs.postgresql.parameters", dynamic)
	connect := h.Address
	d.put(
		"postgresql.listen", net.JoinHostPort(strings.ReplaceAll(r.ListenAddresses, " ", ""), strconv.Itoa(r.Port)),
		"postgresql.connect_address", joinAddress(connect, r.Port),
		"postgresql.data_dir", r.DataDir,
	)
	if strings.Contains(r.ListenAddresses, ",") { // no brackets around a list
		d.put("postgresql.listen", strings.ReplaceAll(r.ListenAddresses, " ", "")+":"+strconv.Itoa(r.Port))
	}
	if r.ConfigDir != "" && r.ConfigDir != r.DataDir {
		d.put("postgresql.config_dir", r.ConfigDir)
	}
	password := fixMe
	if r.Superuser.HasPassword {
		password = r.Superuser.Password
	}
	d.put(
		"postgresql.bin_dir", r.BinDir,
		"postgresql.authentication.superuser", textObject("username", r.Superuser.Username, "password", password),
		"postgresql.authentication.replication", textObject("username", fixMe, "password", fixMe),
	)
	if local.Len() > 0 {
		d.put("postgresql.parameters", local)
	}
	if r.HBA != nil {
		d.put("postgresql.pg_hba", anyList(r.HBA))
	}
	if r.Ident != nil {
		d.put("postgresql.pg_ident", anyList(r.Ident))
	}
	d.putTags()
	return d
}

func anyList(lines []string) []any {
	out := make([]any, len(lines))
	for i, l := range lines {
		out[i] = l
	}
	return out
}
