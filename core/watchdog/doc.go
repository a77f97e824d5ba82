// Package watchdog arms a kernel watchdog device: when it is not fed for its
// timeout, the host resets. It is the answer to a host that stands still as a
// whole, or that has lost both the agent and its fence.
//
// The default driver speaks the Linux watchdog interface
// (Documentation/watchdog/watchdog-api.rst). The testing driver writes the
// same words into a FIFO: "Ctimeout=N" and a newline for the timeout, "1" for
// a keepalive, "V" before closing.
//
// It does not decide when to feed. A [Watchdog] is safe for concurrent use.
package watchdog
