// Package arch holds tests of the source itself: which package may import
// which, what the pure packages must not touch, that every package says what
// it is for, and that no file grows too long.
//
// It has no code of its own and runs "go list", so it needs the go command.
// Imports of test files are not looked at: a test may use what it likes.
package arch
