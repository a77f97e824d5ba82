// Package haproxy leads clients of HAProxy to a new primary the moment that it
// is promoted, by the runtime API, and keeps new connections from the old one
// before a switchover. HAProxy's own checks go on and have the last word.
//
// Each push writes the epoch of the leadership into a variable of the HAProxy
// process and does nothing if a larger one is there: a node that was leader
// before cannot undo what its successor has pushed. "set var" needs HAProxy 2.4
// or later, and its experimental mode on the connection.
//
// Source: HAProxy management guide, section 9.3 (unix socket commands).
package haproxy
