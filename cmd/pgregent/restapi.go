package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/rest"
	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/rest/client"
)

// restSettings translates the configuration for the REST API.
func restSettings(local *config.Local, log *slog.Logger) rest.Settings {
	api, a := local.RESTAPI, local.RESTAccess
	st := rest.Settings{
		Listen: api.Listen, Username: api.Username, Password: api.Password,
		Allowlist: a.Allowlist, IncludeMembers: a.IncludeMembers,
		HTTPHeaders: headers(a.HTTPHeaders), HTTPSHeaders: headers(a.HTTPSHeaders),
		ServerTokens: rest.Tokens(a.ServerTokens), ConnectionsPerAddress: a.ConnectionsPerAddress, MasterRole: a.MasterRole,
		AgentCheck: rest.AgentCheck{Listen: a.AgentCheck.Listen, Check: a.AgentCheck.Check, MaxLag: a.AgentCheck.MaxLag},
	}
	if a.CertFile != "" {
		st.TLS = &certs.ServerOptions{
			CertFile: a.CertFile, KeyFile: a.KeyFile, KeyPassword: a.KeyPassword, CAFile: a.CAFile,
			Verify: certs.Verify(a.VerifyClient), Ciphers: a.Ciphers, Logger: log,
		}
	}
	for _, i := range a.Identities {
		st.Identities = append(st.Identities, rest.Identity{
			Name: i.Name, Role: rest.Role(i.Role), Certificate: i.Certificate, Token: i.Token, TokenSHA256: i.TokenSHA256,
		})
	}
	return st
}

func headers(list []config.Parameter) []rest.Header {
	out := make([]rest.Header, len(list))
	for i, h := range list {
		out[i] = rest.Header{Name: h.Name, Value: h.Value}
	}
	return out
}

// apiURL is where other members find this node's API.
func apiURL(local *config.Local) string {
	scheme := "http"
	if local.RESTAccess.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + local.RESTAPI.ConnectAddress + "/patroni"
}

// newClient calls other members as the ctl section says; credentials that it
// lacks are those of the own API. Members are verified if there is anything
// to verify them by: their certificates are often self-signed.
func newClient(local *config.Local, log *slog.Logger) (*client.Client, error) {
	c := local.Ctl
	o := client.Options{Username: c.Username, Password: c.Password, Scope: local.Scope}
	if o.Username == "" {
		o.Username, o.Password = local.RESTAPI.Username, local.RESTAPI.Password
	}
	ca := c.CAFile
	if ca == "" {
		ca = local.RESTAccess.CAFile
	}
	var err error
	o.TLS, err = certs.NewClient(certs.ClientOptions{
		CertFile: c.CertFile, KeyFile: c.KeyFile, KeyPassword: c.KeyPassword,
		Verify: !c.Insecure && (c.CertFile != "" || c.CAFile != ""), CAFile: ca, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("set up ctl: %w", err)
	}
	return client.New(o), nil
}

// reloadREST takes over what the restapi and ctl sections say now. What is
// wrong leaves the old settings in force.
func (n *node) reloadREST(ctx context.Context, local *config.Local) {
	next, err := newClient(local, n.log)
	if err == nil {
		err = n.rest.Apply(ctx, restSettings(local, n.log))
	}
	if err != nil {
		n.log.Error("reload REST API; its old settings stay in force", "err", err)
		return
	}
	if old := n.peers.client.Swap(next); old != nil {
		old.Close() // of idle connections; calls under way go on
	}
	n.agent.SetAPIURL(apiURL(local))
}
