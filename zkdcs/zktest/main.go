package zktest

import (
	"context"
	"fmt"
	"os"
)

// RunShared starts one server for all tests of a package, hands it to use and
// returns the exit code for TestMain; run is testing.M's Run.
func RunShared(run func() int, use func(*Server)) int {
	dir, err := os.MkdirTemp("", "zktest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	server, err := Launch(context.Background(), Config{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start ZooKeeper:", err)
		return 1
	}
	defer server.Kill()
	use(server)
	return run()
}
