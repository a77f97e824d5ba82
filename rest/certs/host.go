package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// HostCheck says what becomes of a server whose certificate, else good, is not
// of the host that was called.
type HostCheck int

// The checks.
const (
	HostTold     HostCheck = iota // a warning, once for each host
	HostRequired                  // it is refused
	HostIgnored                   // nothing
)

// NewHostClient is NewClient for servers that are told apart: the function
// gives the configuration for the server at a host, a name or an address.
// Files are read again when they change, the authorities too. Without
// o.Verify nothing is checked.
func NewHostClient(o ClientOptions, check HostCheck) (func(host string) *tls.Config, error) {
	o.VerifyHost = false // the chain and the name are looked at apart
	base, err := NewClient(o)
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var told sync.Map
	return func(host string) *tls.Config {
		c := base.Clone()
		c.ServerName = host
		if !o.Verify || check == HostIgnored {
			return c
		}
		chain := c.VerifyConnection
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if err := chain(state); err != nil {
				return err
			}
			err := isOf(host, state)
			if err == nil || check == HostRequired {
				return err
			}
			if _, before := told.LoadOrStore(host, true); !before {
				log.Warn("certificate of another host accepted, which verify_hostname could refuse", slog.String("host", host), slog.Any("err", err))
			}
			return nil
		}
		return c
	}, nil
}

// isOf checks that the server's certificate is of host.
func isOf(host string, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server has no certificate")
	}
	if err := state.PeerCertificates[0].VerifyHostname(host); err != nil {
		return fmt.Errorf("verify host name: %w", err)
	}
	return nil
}
