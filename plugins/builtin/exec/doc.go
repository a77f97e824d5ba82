// Package exec is a plugin that runs a command of the site with the arguments
// that Patroni's scripts expect. A method with a command needs no plugin; this
// one is for those who want limits, or an environment of its own, around a
// command.
package exec
