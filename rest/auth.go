package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// Role is what an identity may do; each includes the one before it.
type Role string

// A Viewer may look at what is not for everybody, an Operator run and move
// the cluster, an Admin also change its configuration.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Admin    Role = "admin"
)

// Includes reports that r may do what needs want.
func (r Role) Includes(want Role) bool { return r.rank() >= want.rank() }

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Operator:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// memberLimit bounds the look-up of the members' addresses for one request.
const memberLimit = time.Second

// whoKey is where the name of an authenticated caller is kept.
const whoKey = "who"

// guard lets those do r who may: first by address, then by certificate, then
// by name. It answers before the body is read.
func (s *Server) guard(r *route) gin.HandlerFunc {
	return func(c *gin.Context) {
		p := s.policy.Load()
		if p.listed() && r.unsafe() && !s.allowed(c, p, r) {
			refuse(c, http.StatusForbidden, "Access is denied")
			return
		}
		cert := certificate(c.Request.Context())
		if p.wantsCertificate() && r.unsafe() && cert == nil {
			refuse(c, http.StatusForbidden, "client certificate required")
			return
		}
		if !p.protected() {
			if cert != nil {
				c.Set(whoKey, cert.Subject.String())
			}
			return
		}
		name, role, no := p.identify(c.Request.Header.Get("Authorization"), cert)
		if no != "" {
			c.Header("WWW-Authenticate", `Basic realm="Patroni"`)
			refuse(c, http.StatusUnauthorized, no)
			return
		}
		c.Set(whoKey, name)
		if !role.Includes(r.role) {
			refuse(c, http.StatusForbidden, "the role "+string(role)+" of "+name+" does not include this; it needs "+string(r.role))
		}
	}
}

func refuse(c *gin.Context, code int, sentence string) {
	text(c, code, sentence)
	c.Abort()
}

// identify returns who calls, or why it is nobody. A header counts before a
// certificate. Secrets are compared by their digests, which takes the same
// time for all.
func (p *policy) identify(header string, cert *x509.Certificate) (name string, role Role, no string) {
	if token, bearer := strings.CutPrefix(header, "Bearer "); bearer {
		digest := sha256.Sum256([]byte(token))
		for have, id := range p.tokens {
			if subtle.ConstantTimeCompare(have[:], digest[:]) == 1 {
				return id.Name, id.Role, ""
			}
		}
		return "", "", "not authenticated"
	}
	if token, basic := strings.CutPrefix(header, "Basic "); basic && (p.Username != "" || p.Password != "") {
		given, err := base64.StdEncoding.DecodeString(token)
		digest := sha256.Sum256(given)
		if err == nil && subtle.ConstantTimeCompare(digest[:], p.basic[:]) == 1 {
			return p.Username, Admin, ""
		}
	}
	if header != "" {
		return "", "", "not authenticated"
	}
	if cert != nil {
		for _, id := range p.Identities {
			if id.Certificate != "" && (id.Certificate == cert.Subject.String() || id.Certificate == cert.Subject.CommonName) {
				return id.Name, id.Role, ""
			}
		}
	}
	return "", "", "no auth header received"
}

// allowed looks the caller's address up. Members are not asked for the calls
// that come when they cannot be known: without ZooKeeper.
func (s *Server) allowed(c *gin.Context, p *policy, r *route) bool {
	from := caller(c.Request)
	for _, n := range p.networks {
		if n.Contains(from) {
			return true
		}
	}
	if r.path == "/failsafe" && len(p.Allowlist) == 0 {
		return true
	}
	if !p.IncludeMembers || r.path == "/failsafe" {
		return false
	}
	return s.isMember(c.Request.Context(), from)
}

// isMember looks for an address among those of the members' APIs, by the
// agent's own view.
func (s *Server) isMember(ctx context.Context, from netip.Addr) bool {
	view := s.status().Cluster
	if view == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, memberLimit)
	defer cancel()
	for _, m := range view.Members {
		u, err := url.Parse(m.Data.APIURL)
		if err != nil {
			continue
		}
		found, _ := addresses(ctx, u.Hostname()) // a name that is not found is nobody's
		for _, a := range found {
			if a == from {
				return true
			}
		}
	}
	return false
}
