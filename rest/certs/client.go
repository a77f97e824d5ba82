package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
)

// ClientOptions are what a client's side of TLS needs. The zero value
// verifies nothing.
type ClientOptions struct {
	// CertFile is the own certificate; "": none is presented.
	CertFile, KeyFile, KeyPassword string
	// Verify checks the server's chain against CAFile ("": the system's).
	// VerifyHost checks the chain, and that the certificate is of the host
	// that was called; CAFile is then read once.
	Verify, VerifyHost bool
	CAFile             string
	Logger             *slog.Logger
}

// material is what a client reads from its files.
type material struct {
	pair  *tls.Certificate
	roots *x509.CertPool // nil: the system's
}

// NewClient returns a client's configuration, whose files are read again
// when they change.
func NewClient(o ClientOptions) (*tls.Config, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	files := &watched[material]{load: o.load, log: o.Logger, names: []string{o.CertFile, o.KeyFile, o.CAFile}}
	first, err := files.get()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            first.roots,
		InsecureSkipVerify: !o.VerifyHost, // else VerifyConnection does what is asked for
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			m, err := files.get()
			if err != nil || m.pair == nil {
				return &tls.Certificate{}, err
			}
			return m.pair, nil
		},
	}
	if o.Verify && !o.VerifyHost {
		c.VerifyConnection = func(state tls.ConnectionState) error { return o.verify(state, files) }
	}
	return c, nil
}

func (o ClientOptions) load() (material, error) {
	var m material
	if o.CertFile != "" {
		pair, err := LoadPair(o.CertFile, o.KeyFile, o.KeyPassword)
		if err != nil {
			return m, err
		}
		m.pair = &pair
	}
	if o.CAFile != "" && (o.Verify || o.VerifyHost) {
		var err error
		if m.roots, err = LoadPool(o.CAFile); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (o ClientOptions) verify(state tls.ConnectionState, files *watched[material]) error {
	m, err := files.get()
	if err != nil {
		return err
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server has no certificate")
	}
	v := x509.VerifyOptions{Roots: m.roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		v.Intermediates.AddCert(c)
	}
	_, err = state.PeerCertificates[0].Verify(v)
	return err
}
