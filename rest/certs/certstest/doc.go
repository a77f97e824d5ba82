// Package certstest makes certificate authorities for tests: [Authority]
// issues certificates, which rest/certs and the servers under test load.
package certstest
