package access

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/rest/client"
)

// Options are what the command line and the environment say.
type Options struct {
	// ConfigFile is as given; "" for the places that are looked at then.
	ConfigFile string
	// DCS is the address of the store, which replaces that of the file.
	DCS      string
	Insecure bool
	Environ  []string
}

// Config is how a cluster is reached.
type Config struct {
	config.Tool
	// File is what was read, "" for the environment alone.
	File     string
	Findings []config.Finding
	environ  []string
}

// Configure reads the configuration.
func Configure(o Options) (*Config, error) {
	path, err := locate(o)
	if err != nil {
		return nil, err
	}
	t, findings, err := config.LoadTool(path, o.Environ)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	c := &Config{Tool: *t, File: path, Findings: findings, environ: o.Environ}
	c.Insecure = c.Insecure || o.Insecure
	if o.DCS != "" {
		if err := c.setDCS(o.DCS); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// locate finds the configuration file; "" if none is named and none is at the
// usual places.
func locate(o Options) (string, error) {
	named := o.ConfigFile
	for _, name := range []string{"PGREGENTCTL_CONFIG_FILE", "PATRONICTL_CONFIG_FILE"} {
		if named == "" {
			named = variable(o.Environ, name)
		}
	}
	if named != "" {
		f, err := os.Open(named)
		if err != nil {
			return "", words("Provided config file %s not existing or no read rights. Check the -c/--config-file parameter", named)
		}
		return named, f.Close()
	}
	dir := variable(o.Environ, "XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(variable(o.Environ, "HOME"), ".config")
	}
	for _, name := range []string{"pgregent/pgregentctl.yaml", "patroni/patronictl.yaml"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", nil
}

// variable is the value of an environment variable; the last one counts.
func variable(environ []string, name string) string {
	value := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// foreign are stores of Patroni that this build does not speak.
var foreign = []string{"etcd", "etcd3", "consul", "exhibitor", "kubernetes", "raft"}

// setDCS reads zookeeper://host:port,host:port/namespace.
func (c *Config) setDCS(address string) error {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "zookeeper", address
	}
	for _, other := range foreign {
		if scheme == other {
			return fmt.Errorf("this build speaks ZooKeeper, not %s: give -d zookeeper://host:port", scheme)
		}
	}
	if scheme != "zookeeper" {
		return words("Unknown dcs scheme: %s", scheme)
	}
	hosts, namespace, _ := strings.Cut(rest, "/")
	c.ZooKeeper.Hosts, c.ZooKeeper.Chroot = nil, ""
	for host := range strings.SplitSeq(hosts, ",") {
		if u, err := url.Parse("//" + host); err != nil || u.Hostname() == "" {
			return fmt.Errorf("%q in the address of the store is not host:port", host)
		} else if u.Port() == "" {
			host += ":2181"
		}
		c.ZooKeeper.Hosts = append(c.ZooKeeper.Hosts, host)
	}
	if namespace != "" {
		c.Namespace = "/" + namespace
	}
	return nil
}

// Agents returns a client of the agents' REST API.
func (c *Config) Agents(traceParent string) (*client.Client, error) {
	settings, err := c.tls()
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{Username: c.Username, Password: c.Password, TLS: settings, TraceParent: traceParent}), nil
}

// tls is how agents with https addresses are called.
func (c *Config) tls() (*tls.Config, error) {
	key := c.KeyFile
	if key == "" {
		key = c.CertFile // one file may hold both
	}
	settings, err := certs.NewClient(certs.ClientOptions{
		CertFile: c.CertFile, KeyFile: key, KeyPassword: c.KeyPassword, CAFile: c.CACert, VerifyHost: !c.Insecure,
	})
	if err != nil {
		return nil, fmt.Errorf("read the files of the ctl section: %w", err)
	}
	return settings, nil
}
