// Package sdk is what the author of a plugin imports: implement one small
// interface, put it into a [Plugin], and call [Serve] from main. The settings
// arrive decoded and checked, slog speaks to the agent's log, the context ends
// when the work is cancelled and carries the agent's trace, and the process ends when the agent dies.
//
// plugins/README.md has the author's path step by step; package plugintest is
// a suite that every plugin should pass. The package imports nothing of this
// module but plugins/proto. It keeps no state between calls but the settings
// and the work under way; calls may come concurrently.
package sdk
