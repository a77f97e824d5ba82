// Package basebackup is the default replica method: pg_basebackup, with what
// it says of its progress.
package basebackup
