package certs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// The structures of an encrypted key as OpenSSL writes it: PKCS #8 (RFC 5958)
// with PBES2 (RFC 8018, appendix A).
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// maxIterations bounds the work that a key file can ask for; OpenSSL writes
// 2,048, careful people a million.
const maxIterations = 10_000_000

// decryptPKCS8 returns the DER text of the key.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var key encryptedKey
	var scheme pbes2Params
	var kdf pbkdf2Params
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return nil, fmt.Errorf("read encrypted key: %w", err)
	}
	if key.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, errors.New("the key is encrypted in an old way; convert it with \"openssl pkcs8 -topk8 -v2 aes256\"")
	}
	if _, err := asn1.Unmarshal(key.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, fmt.Errorf("read encryption scheme of the key: %w", err)
	}
	if scheme.KDF.Algorithm.String() != "1.2.840.113549.1.5.12" {
		return nil, errors.New("the key's password is derived in another way than PBKDF2; convert it with \"openssl pkcs8 -topk8 -v2 aes256\"")
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, fmt.Errorf("read key derivation of the key: %w", err)
	}
	return kdf.open(scheme.Cipher, key.Data, password)
}

func (k pbkdf2Params) open(algorithm pkix.AlgorithmIdentifier, data []byte, password string) ([]byte, error) {
	size := map[string]int{
		"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32,
	}[algorithm.Algorithm.String()]
	digest := map[string]func() hash.Hash{
		"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New,
		"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
	}[k.PRF.Algorithm.String()]
	var iv []byte
	_, err := asn1.Unmarshal(algorithm.Parameters.FullBytes, &iv)
	switch {
	case size == 0 || digest == nil || err != nil || len(iv) != aes.BlockSize:
		return nil, errors.New("the key is encrypted with something else than AES-CBC; convert it with \"openssl pkcs8 -topk8 -v2 aes256\"")
	case k.Iterations < 1 || k.Iterations > maxIterations || len(data) == 0 || len(data)%aes.BlockSize != 0:
		return nil, errors.New("the encrypted key is damaged")
	}
	secret, err := pbkdf2.Key(digest, password, k.Salt, k.Iterations, size)
	if err != nil {
		return nil, fmt.Errorf("derive the key's key: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("decrypt key: %w", err)
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	padding := int(out[len(out)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, errPassword
	}
	out = out[:len(out)-padding]
	if _, err := x509.ParsePKCS8PrivateKey(out); err != nil {
		return nil, errPassword
	}
	return out, nil
}
