// Command pgregentctl is the operator's tool for clusters of pgregent and of
// Patroni. It reads a cluster's state from ZooKeeper and gives orders through
// the REST API of its members; commands, options, outputs and exit codes are
// those of patronictl.
//
//	pgregentctl -c /etc/pgregent/pgregent.yml list
//	pgregentctl -d zookeeper://zk1:2181 switchover shop --candidate pg2
//
// See README.md beside this file.
package main
