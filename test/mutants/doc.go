// Command mutants proves that the tests can fail: it breaks the decision core and the
// loop on purpose, one deliberate bug at a time, and runs the unit tests and,
// where these notice nothing, the simulation. A bug that nobody notices is an
// error. The sources stay as they are: the go command's overlay puts the
// broken file in the place of the good one.
package main
