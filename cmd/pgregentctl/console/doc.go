// Package console talks with a person at a terminal, or with a script in its
// place: it prints, asks, and ends an answer that does not come.
//
// Prompts, their defaults and what an end of input means are those that
// scripts know from Patroni's tool. A Console is for one goroutine, except
// that an interruption of its context ends a question.
package console
