package show

import "fmt"

// Level is the release of Patroni's tool whose columns and words are used.
type Level int

// The levels. Level30 is also what Debian 12 has; the newest is the default.
const (
	Level30 Level = 30
	Level31 Level = 31
	Level41 Level = 41
)

// ParseLevel reads 3.0, 3.1 or 4.1; "" is the newest.
func ParseLevel(s string) (Level, error) {
	switch s {
	case "3.0":
		return Level30, nil
	case "3.1":
		return Level31, nil
	case "", "4.1":
		return Level41, nil
	}
	return 0, fmt.Errorf("%q is not 3.0, 3.1 or 4.1", s)
}

// Old reports the 3.x releases.
func (l Level) Old() bool { return l < Level41 }
