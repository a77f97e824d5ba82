// Command ordered writes an overlay for "go build" and "go test" with which
// the Go runtime does the same in every run on one processor: goroutines that
// are due at the same instant run in the order in which they were made ready,
// select takes the first ready case, maps are iterated in the same order, and
// nobody is preempted. Nor is there a look for another processor whenever a
// goroutine is made ready. The simulation runs with it, so that a seed that fails
// fails again. It changes no file of the Go installation, and nothing that is
// shipped is built with it.
//
//	go run ./test/sim/ordered DIRECTORY; go test -overlay DIRECTORY/overlay.json ./test/sim
//
// The replacements name lines of the runtime. Where a version of Go has other
// ones, the overlay is empty and a warning says so: seeds then reproduce mostly.
package main
