package command

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// shared is the ZooKeeper of all tests, which run one after the other.
var shared *zktest.Server

func TestMain(m *testing.M) { os.Exit(withServer(m)) }

func withServer(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pgregentctl")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if shared, err = zktest.Launch(context.Background(), zktest.Config{Dir: dir}); err != nil {
		fmt.Fprintln(os.Stderr, "start ZooKeeper:", err)
		return 1
	}
	defer shared.Kill()
	return m.Run()
}
