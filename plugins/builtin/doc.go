// Package builtin knows the plugins that are shipped with the agent. They are
// ordinary plugins, written with the SDK like anybody's; the agent's own
// program is their program, so that there is nothing else to install.
package builtin
