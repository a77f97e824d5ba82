package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// LoadPair reads a certificate chain and its key. Without keyFile the key is
// in certFile. password decrypts the key, if that is encrypted.
func LoadPair(certFile, keyFile, password string) (tls.Certificate, error) {
	chain, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	key := chain
	if keyFile != "" {
		if key, err = os.ReadFile(keyFile); err != nil {
			return tls.Certificate{}, fmt.Errorf("read key: %w", err)
		}
	}
	if key, err = plainKey(key, password); err != nil {
		return tls.Certificate{}, fmt.Errorf("read key of %s: %w", certFile, err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("use certificate %s: %w", certFile, err)
	}
	return pair, nil
}

// LoadPool reads a bundle of CA certificates.
func LoadPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read CA certificates: %s has none", file)
	}
	return pool, nil
}

// errPassword is told without the password.
var errPassword = errors.New("the key is encrypted and the password does not fit")

// plainKey returns the key in text as unencrypted PEM.
func plainKey(text []byte, password string) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("there is no key in PEM form")
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY":
			der, err := decryptPKCS8(block.Bytes, password)
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		case block.Headers["DEK-Info"] != "":
			//lint:ignore SA1019 the old way of PEM is weak, but such files exist
			der, err := x509.DecryptPEMBlock(block, []byte(password))
			if err != nil {
				return nil, errPassword
			}
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
		case bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")):
			return pem.EncodeToMemory(block), nil
		}
	}
}
