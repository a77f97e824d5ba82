// Package script runs the commands of a site as scripts written for Patroni
// expect it: the words of the configured line and then the arguments, no
// shell in between; the environment of this process without what is meant for
// the agent; umask 0077; standard output and standard error of this process;
// success is exit status 0. A command runs in a process group of its own and
// is ended with all its descendants.
//
// It does not decide when a command runs. A Run may be called from any
// goroutine.
package script
