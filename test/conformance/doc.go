// Package conformance runs the REST API's table, one row per endpoint and
// parameter, one column per state of a node, against live agents, and prints
// it. "make rest-diff" brings Patroni into the same states and compares
// codes, JSON keys and their types; rest/README.md explains each difference.
package conformance
