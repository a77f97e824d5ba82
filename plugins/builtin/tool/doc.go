// Package tool runs a program to its end for a plugin, and hands its output on
// line by line while it runs. It is the plugin's child and in its process
// group, so that whoever ends the plugin ends it, too.
package tool
