// Package record is the vocabulary of the record of a change of leaders: what
// each member notes of it (Entry), how the notes of all members find together
// without a word between them (ID), and how they are merged into one story
// (Story).
//
// It is pure: values in, values out, and no clock. Times are of the wall
// clock of the member that noted them; durations on one member are measured on
// its boot-time clock, so that a step of the wall clock does not stretch them.
// Between members the clocks may differ: Merge compares times as they are, so
// that two members' phases are in order only as far as their clocks agree.
package record
