package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/rest/health"
)

// Settings are what may change while a Server runs; see [Server.Apply].
type Settings struct {
	// Listen is host:port; an empty host or "*" means all addresses.
	Listen string
	// TLS nil means plain HTTP.
	TLS *certs.ServerOptions
	// Username and Password protect the calls that change something; both
	// empty: no protection by them.
	Username, Password string
	// Identities may call beside that user, each as its role allows.
	Identities []Identity
	// Allowlist are networks, addresses and host names that may call what
	// changes something; with IncludeMembers the members' too. Neither:
	// everybody.
	Allowlist      []string
	IncludeMembers bool
	// HTTPHeaders go with full answers; over TLS also HTTPSHeaders, which win.
	HTTPHeaders, HTTPSHeaders []Header
	// ServerTokens is how the Server header names this program.
	ServerTokens Tokens
	// ConnectionsPerAddress bounds the open connections of one address; 0: no
	// bound.
	ConnectionsPerAddress int
	// MasterRole shows the role of a primary as master.
	MasterRole bool
	AgentCheck AgentCheck
}

// Header is one header of an answer.
type Header struct{ Name, Value string }

// Tokens are the ways to fill the Server header.
type Tokens string

// Original names this program, Minimal and ProductOnly what it is compatible
// with, with and without version.
const (
	Original    Tokens = "original"
	Minimal     Tokens = "minimal"
	ProductOnly Tokens = "productonly"
)

// Identity is somebody who may call.
type Identity struct {
	Name string
	Role Role
	// Certificate is the subject of a client certificate (as in CN=ann,O=ops)
	// or its common name. Token is a bearer token, TokenSHA256 the digest of
	// one in hexadecimal.
	Certificate, Token, TokenSHA256 string
}

// policy is Settings made ready for use. It does not change.
type policy struct {
	Settings
	tls      *certs.Server // nil: plain HTTP
	basic    [sha256.Size]byte
	tokens   map[[sha256.Size]byte]*Identity
	networks []netip.Prefix
	headers  []Header
}

// lookUpLimit bounds the look-up of all host names of an allowlist.
const lookUpLimit = 3 * time.Second

// newPolicy reads certificates and resolves names.
func newPolicy(ctx context.Context, st Settings, log *slog.Logger) (*policy, error) {
	p := &policy{Settings: st, tokens: map[[sha256.Size]byte]*Identity{}}
	if st.TLS != nil {
		var err error
		if p.tls, err = certs.NewServer(*st.TLS); err != nil {
			return nil, fmt.Errorf("set up restapi.certfile: %w", err)
		}
	}
	p.basic = sha256.Sum256([]byte(st.Username + ":" + st.Password))
	for i := range st.Identities {
		id := &st.Identities[i]
		if id.Token != "" {
			p.tokens[sha256.Sum256([]byte(id.Token))] = id
		}
		if digest, err := hex.DecodeString(id.TokenSHA256); err == nil && len(digest) == sha256.Size {
			p.tokens[[sha256.Size]byte(digest)] = id
		}
	}
	p.networks = resolve(ctx, st.Allowlist, log)
	p.headers = p.answerHeaders()
	return p, nil
}

// protected reports that callers have to say who they are.
func (p *policy) protected() bool {
	return p.Username != "" || p.Password != "" || len(p.Identities) > 0
}

// listed reports that an allowlist is in force.
func (p *policy) listed() bool { return len(p.Allowlist) > 0 || p.IncludeMembers }

func (p *policy) wantsCertificate() bool {
	return p.tls != nil && p.tls.Verifies() != certs.None && p.tls.Verifies() != ""
}

// answerHeaders are what goes with every full answer.
func (p *policy) answerHeaders() []Header {
	server := "pgregent"
	switch p.ServerTokens {
	case Minimal:
		server = "Patroni/" + health.CompatVersion
	case ProductOnly:
		server = "Patroni"
	}
	out := []Header{{"Server", server}}
	set := func(h Header) {
		for i := range out {
			if strings.EqualFold(out[i].Name, h.Name) {
				out[i] = h
				return
			}
		}
		out = append(out, h)
	}
	for _, h := range p.HTTPHeaders {
		set(h)
	}
	if p.tls != nil {
		for _, h := range p.HTTPSHeaders {
			set(h)
		}
	}
	for i := range out {
		out[i].Name = http.CanonicalHeaderKey(out[i].Name)
	}
	return out
}

// resolve reads an allowlist. What cannot be read or found is told and left
// out: a list of which nothing is left lets nobody in.
func resolve(ctx context.Context, entries []string, log *slog.Logger) []netip.Prefix {
	ctx, cancel := context.WithTimeout(ctx, lookUpLimit)
	defer cancel()
	var out []netip.Prefix
	for _, entry := range entries {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			out = append(out, prefix.Masked()) // host bits are allowed
			continue
		}
		found, err := addresses(ctx, entry)
		if err != nil {
			log.LogAttrs(ctx, slog.LevelWarn, "entry of restapi.allowlist is left out", slog.String("entry", entry), slog.Any("err", err))
		}
		for _, a := range found {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// addresses are those of a host, which may be one itself.
func addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{a.Unmap().WithZone("")}, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}

// caller is the address that a request comes from; clients of IPv4 look as
// such on a listener for both.
func caller(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// Warnings says, one sentence each, how the API is open to others than its
// operators.
func (st Settings) Warnings() []string {
	host, _, err := net.SplitHostPort(st.Listen)
	if err != nil {
		return nil
	}
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		return nil
	}
	verified := st.TLS != nil && (st.TLS.Verify == certs.Optional || st.TLS.Verify == certs.Required)
	known := st.Username != "" || st.Password != "" || len(st.Identities) > 0
	var out []string
	if !known && !verified {
		out = append(out, "restapi.listen "+st.Listen+" is not a loopback address, and everybody who reaches it may switch over, restart, "+
			"reinitialize and change the configuration; set restapi.authentication, or restapi.certfile with restapi.verify_client")
	}
	if known && st.TLS == nil {
		out = append(out, "restapi.listen "+st.Listen+" is not a loopback address and speaks plain HTTP: "+
			"passwords and tokens can be read on the way; set restapi.certfile")
	}
	return out
}
