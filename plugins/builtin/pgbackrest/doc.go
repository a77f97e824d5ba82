// Package pgbackrest makes replicas and new clusters from a repository of
// pgBackRest. A directory that has data is completed by a delta restore.
//
// Source: the pgBackRest user guide, sections on restore and its options.
package pgbackrest
