// Command pgregent is the high-availability agent that runs beside one
// PostgreSQL server.
//
// It wires the edges (ZooKeeper, PostgreSQL, HTTP) to the core and holds no
// logic of its own: flags, configuration, signals, the state directory.
//
//	pgregent CONFIG.yml                     run
//	pgregent --validate-config CONFIG.yml   check the configuration and this host
//	pgregent rules                          print the table of decisions
//	pgregent --version
package main
