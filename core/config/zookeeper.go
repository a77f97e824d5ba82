package config

import (
	"crypto/fips140"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"os"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// ZooKeeperTLS is how connections to ZooKeeper are encrypted.
type ZooKeeperTLS struct {
	TLS
	// CAFile is the bundle that servers are verified with, "": the host's own.
	CAFile string
	// Verify asks for a chain to one of these authorities.
	Verify bool
	// VerifyHost asks that the certificate is of the host that was called;
	// nil: a mismatch is told and does no harm, as in Patroni.
	VerifyHost *bool
}

// ACL is one entry of the ACL of a znode.
type ACL struct {
	Scheme, ID  string
	Permissions Permissions
}

// Permissions are ZooKeeper's bits.
type Permissions int32

// What an entry permits.
const (
	Read Permissions = 1 << iota
	Write
	Create
	Delete
	Admin
	everything = Read | Write | Create | Delete | Admin
	// worker is what an agent itself needs.
	worker = Read | Write | Create | Delete
)

var permissionWords = map[string]Permissions{
	"READ": Read, "WRITE": Write, "CREATE": Create, "DELETE": Delete, "ADMIN": Admin, "ALL": everything,
}

func (d *document) zooKeeper() ZooKeeper {
	z := ZooKeeper{TickTime: defaultTickTime}
	const hosts = "zookeeper.hosts"
	if v := d.lookup(hosts); v != nil && v != "" {
		var err error
		if z.Hosts, z.Chroot, err = parseZooKeeperHosts(textItems(v)); err != nil {
			d.report(Error, hosts, v, "%v", err)
		}
	}
	if t, ok := parseTick(d.lookup("zookeeper.tick_time")); ok {
		z.TickTime = t
	}
	o, _ := d.lookup("zookeeper.auth_data").(*cluster.Object)
	for scheme, credential := range o.All() {
		if z.AuthData == nil {
			z.AuthData = map[string]string{}
		}
		z.AuthData[scheme] = cluster.Text(credential)
	}
	z.TLS = d.zooKeeperTLS()
	z.ACL = d.acls()
	d.checkAccess(z)
	return z
}

func (d *document) zooKeeperTLS() *ZooKeeperTLS {
	files := TLS{d.text("zookeeper.cert"), d.text("zookeeper.key"), d.text("zookeeper.key_password")}
	if !d.boolAt("zookeeper.use_ssl") {
		for _, key := range []string{"cacert", "cert", "key"} {
			if v := d.lookup("zookeeper." + key); v != nil {
				d.report(Warning, "zookeeper."+key, v, "has no effect without zookeeper.use_ssl: the connection to ZooKeeper is not encrypted")
			}
		}
		return nil
	}
	if files.KeyFile != "" && files.CertFile == "" {
		d.report(Error, "zookeeper.key", files.KeyFile, "needs zookeeper.cert")
	}
	t := &ZooKeeperTLS{TLS: files, CAFile: d.text("zookeeper.cacert"), Verify: true}
	if v := d.lookup("zookeeper.verify"); v != nil {
		t.Verify = d.boolAt("zookeeper.verify")
	}
	if v, ok := cluster.ParseBool(d.lookup("zookeeper.verify_hostname")); ok {
		t.VerifyHost = &v
	}
	if _, written := d.where["zookeeper.cacert"]; written && t.CAFile == "" && t.Verify {
		d.report(Warning, "zookeeper.cacert", nil, "has no value: whoever has a certificate of any authority that this host trusts can pass for ZooKeeper")
	}
	if !t.Verify {
		d.report(Warning, "zookeeper.verify", false, "anybody in between can pass for ZooKeeper; whoever does owns the databases")
	}
	return t
}

// acls reads set_acls: a principal of scheme x509, or scheme:credential, and
// the list of what it may do.
func (d *document) acls() []ACL {
	o, _ := d.lookup("zookeeper.set_acls").(*cluster.Object)
	var list []ACL
	for principal, v := range o.All() {
		a := ACL{}
		a.Scheme, a.ID = splitPrincipal(principal)
		if a.Scheme == "digest" {
			a.ID = digested(a.ID)
		}
		for _, word := range textItems(v) {
			bit, known := permissionWords[strings.ToUpper(strings.TrimSpace(word))]
			if !known {
				d.report(Error, "zookeeper.set_acls", word, "must be some of CREATE, READ, WRITE, DELETE, ADMIN, ALL")
			}
			a.Permissions |= bit
		}
		list = append(list, a)
	}
	return list
}

// splitPrincipal splits scheme:id. What does not begin with a scheme of
// ZooKeeper is the subject of a certificate, in which colons may stand.
func splitPrincipal(principal string) (scheme, id string) {
	scheme, id, found := strings.Cut(principal, ":")
	switch scheme {
	case "digest", "ip", "world", "auth", "x509", "sasl":
		if found {
			return scheme, id
		}
	}
	return "x509", principal
}

// digested is the form that ZooKeeper keeps, user:base64(sha1(user:password)),
// of that or of user:password.
func digested(credential string) string {
	user, secret, _ := strings.Cut(credential, ":")
	if sum, err := base64.StdEncoding.DecodeString(secret); err == nil && len(sum) == sha1.Size {
		return credential
	}
	var sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { sum = sha1.Sum([]byte(credential)) }) // the format is ZooKeeper's
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// checkAccess looks for what would lock this agent out.
func (d *document) checkAccess(z ZooKeeper) {
	if _, ok := z.AuthData["sasl"]; ok {
		d.report(Error, "zookeeper.auth_data", nil, "scheme sasl is not spoken by this build; use digest, or a client certificate (zookeeper.cert)")
	}
	if len(z.ACL) == 0 {
		return
	}
	var permitted Permissions // ZooKeeper adds up the entries that match
	severity := Warning
	for _, a := range z.ACL {
		if z.mayBe(a) {
			permitted |= a.Permissions
		}
		if a.Scheme == "digest" {
			severity = Error // whoever wrote it meant this very credential
		}
	}
	if permitted&worker != worker {
		d.report(severity, "zookeeper.set_acls", nil, "no entry lets this agent itself READ, WRITE, CREATE and DELETE: "+
			"x509 needs zookeeper.use_ssl and cert, digest the same credential in zookeeper.auth_data")
	}
}

// certificates looks for the files of connections to ZooKeeper.
func (v *hostChecker) certificates() {
	t := v.local.ZooKeeper.TLS
	if t == nil {
		return
	}
	for _, f := range []struct{ key, name string }{{"cacert", t.CAFile}, {"cert", t.CertFile}, {"key", t.KeyFile}} {
		if f.name == "" {
			continue
		}
		file, err := os.Open(f.name)
		if err != nil {
			v.add(Error, "zookeeper."+f.key, f.name, "cannot be read: %v", errors.Unwrap(err))
			continue
		}
		_ = file.Close() // opened for reading only
	}
}

// mayBe reports whether a can be this agent itself, as far as its
// configuration tells: of world, auth and ip the servers know.
func (z ZooKeeper) mayBe(a ACL) bool {
	switch a.Scheme {
	case "x509":
		return z.TLS != nil && z.TLS.CertFile != ""
	case "digest":
		own, ok := z.AuthData["digest"]
		return ok && digested(own) == a.ID
	}
	return a.Scheme != "sasl"
}
