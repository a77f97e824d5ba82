//go:build race

package sim

// With the race detector a seed takes ten times as long.
const (
	usual = 20
	keep  = 3
)
