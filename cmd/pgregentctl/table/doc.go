// Package table draws a table of text with plus, minus and bar signs and the
// title inside the upper border. It is pure.
package table
