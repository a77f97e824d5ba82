// Package plugintest is the conformance suite for plugins: it starts a plugin's
// program as the agent does and checks what the agent relies on. Call [Run]
// from a test of the plugin. It is for tests only.
package plugintest
