// Command pgregentctl is the operator's tool. It talks to the REST API of any
// member of a cluster:
//
//	pgregentctl --api http://127.0.0.1:8008 list
//	pgregentctl --api ... switchover --leader pg1 --candidate pg2
//	pgregentctl --api ... failover --candidate pg2
//	pgregentctl --api ... restart | reload | reinit
//	pgregentctl --api ... show-config
//
// PGREGENTCTL_API, PGREGENTCTL_USERNAME and PGREGENTCTL_PASSWORD stand in for
// the flags. patronictl works on the same cluster, through ZooKeeper.
package main
