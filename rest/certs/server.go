package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Verify says what becomes of client certificates.
type Verify string

// None asks for none; Optional verifies the one that is sent; Required
// refuses connections without one.
const (
	None     Verify = "none"
	Optional Verify = "optional"
	Required Verify = "required"
)

// lookAgain bounds how often files are looked at, whatever the number of
// connections.
const lookAgain = time.Second

// ServerOptions are what a Server needs; CertFile is required.
type ServerOptions struct {
	// KeyFile "" means that the key is in CertFile.
	CertFile, KeyFile, KeyPassword string
	// CAFile verifies client certificates; "": the system's.
	CAFile string
	Verify Verify
	// Ciphers is an OpenSSL cipher string; "": the defaults.
	Ciphers string
	Logger  *slog.Logger
}

// Server is the TLS side of a listener.
type Server struct {
	o      ServerOptions
	suites []uint16
	files  *watched[*tls.Config]
}

// NewServer reads the files once; its error says what is wrong with them.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o}
	suites, unknown := Ciphers(o.Ciphers)
	if len(unknown) > 0 {
		o.Logger.Warn("cipher suites that are not known here are left out", "ciphers", strings.Join(unknown, ":"))
	}
	if o.Ciphers != "" && suites != nil && len(suites) == 0 {
		return nil, fmt.Errorf("read ciphers %q: no suite is left", o.Ciphers)
	}
	s.suites = suites
	s.files = &watched[*tls.Config]{
		load: s.load, log: o.Logger,
		names: []string{o.CertFile, o.KeyFile, o.CAFile},
	}
	if _, err := s.files.get(); err != nil {
		return nil, err
	}
	return s, nil
}

// Config is for a listener: each handshake uses the files as they are then.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.files.get()
		},
	}
}

// Verifies is how client certificates are treated.
func (s *Server) Verifies() Verify { return s.o.Verify }

func (s *Server) load() (*tls.Config, error) {
	pair, err := LoadPair(s.o.CertFile, s.o.KeyFile, s.o.KeyPassword)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, CipherSuites: s.suites,
		NextProtos: []string{"http/1.1"},
	}
	switch s.o.Verify {
	case Optional:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case Required:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if s.o.CAFile != "" {
		if c.ClientCAs, err = LoadPool(s.o.CAFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}
