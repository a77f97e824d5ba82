// Package manual writes manual pages of a tree of commands, one page for each
// command, in the language of man(7). It is pure.
package manual
