//go:build !race

package sim

const (
	usual = 500
	keep  = 1000
)
