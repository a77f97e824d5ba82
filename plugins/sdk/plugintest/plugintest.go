package plugintest

import (
	"testing"

	"github.com/pgregent/pgregent/plugins/sdk/conformance"
)

// Suite says what is tested, and with what.
type Suite = conformance.Suite

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for _, c := range s.Checks() {
		t.Run(c.Name, func(t *testing.T) { c.Do(t) })
	}
}
