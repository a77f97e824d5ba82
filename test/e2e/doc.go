// Package e2e runs the agent as users do: real ZooKeeper, real PostgreSQL,
// three nodes on loopback, and faults. Each test checks from the clients'
// side that no acknowledged row is lost that was replicated before the fault,
// and that two nodes never accepted writes at the same time. Some clusters are
// mixed: Patroni is the agent of some nodes, or of all before a migration.
package e2e
