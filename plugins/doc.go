// Package plugins is the host of the site's plugins and scripts: replica
// methods, bootstrap methods, callbacks and routers, each a supervised
// subprocess.
//
// A [Host] implements what core/agent and core/postgres need of it. Nothing
// that a plugin does, or fails to do, is waited for by the agent's loop: events
// and routes are queued, builds run in the job that asked for them, and every
// call has a deadline. A plugin's process is in a group of its own, sees only
// the environment that its configuration names, speaks over a private socket
// with mutual TLS, and is killed with everything that it started.
//
// The package does not decide when a method runs or what a failure means. A
// Host may be used from any goroutine. README.md is for authors of plugins.
package plugins
