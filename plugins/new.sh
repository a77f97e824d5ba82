#!/bin/sh
# Writes a new plugin, a Go module of its own, that builds and passes the
# conformance suite: plugins/new.sh NAME DIRECTORY
set -eu

[ $# -eq 2 ] || { echo "usage: $0 NAME DIRECTORY" >&2; exit 2; }
name=$1
case $name in
*[!a-z0-9_-]* | '') echo "$0: the name must be of lower-case letters, digits, - and _" >&2; exit 2 ;;
esac
repo=$(cd "$(dirname "$0")/.." && pwd)
[ ! -e "$2" ] || { echo "$0: $2 exists already" >&2; exit 1; }
mkdir -p "$2"
cd "$2"

sed -n '/^go /p' "$repo/go.mod" >go.version
cat >go.mod <<END
module example.org/$name

$(cat go.version)

require github.com/pgregent/pgregent v0.0.0

replace github.com/pgregent/pgregent => $repo
END
rm go.version

cat >main.go <<END
// Command $name is a plugin of pgregent.
package main

import (
	"context"
	"log/slog"

	"github.com/pgregent/pgregent/plugins/sdk"
)

// settings are what stands under plugins.$name.settings.
type settings struct {
	Greeting string \`plugin:"greeting" help:"what to say at each event"\`
}

// callback is told what happens to the node.
type callback struct{ s *settings }

// Notify implements sdk.Callback.
func (c callback) Notify(ctx context.Context, e sdk.Event) error {
	slog.InfoContext(ctx, c.s.Greeting, "action", e.Action, "role", e.Role, "epoch", e.Epoch)
	return nil
}

func main() {
	s := &settings{Greeting: "something happened"}
	sdk.Serve(sdk.Plugin{Name: "$name", Version: "0.1.0", Settings: s, Callback: callback{s}})
}
END

cat >main_test.go <<END
package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pgregent/pgregent/plugins/sdk/plugintest"
)

func TestConformance(t *testing.T) {
	program := filepath.Join(t.TempDir(), "$name")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	plugintest.Run(t, plugintest.Suite{Path: program})
}
END
go mod tidy
echo "$2 is ready: go test ./... there runs the conformance suite"
