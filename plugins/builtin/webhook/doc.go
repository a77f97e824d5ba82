// Package webhook hands events on as signed HTTP POST requests, with retry.
//
// The body is JSON. With a secret, the header X-Pgregent-Signature is
// "sha256=" and the HMAC-SHA-256, in hexadecimal digits, of the header
// X-Pgregent-Timestamp, a full stop and the body: a receiver that checks both
// can neither be lied to nor be fed old requests.
package webhook
