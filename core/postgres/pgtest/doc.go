// Package pgtest lets tests run a real PostgreSQL: it finds the server's
// programs, leaves the root user, which PostgreSQL refuses, and makes
// configurations in temporary directories with free ports.
//
// A test package calls [Main] from its TestMain.
package pgtest
