package command

import (
	"os"
	"testing"

	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// shared is the ZooKeeper of all tests, which run one after the other.
var shared *zktest.Server

func TestMain(m *testing.M) {
	os.Exit(zktest.RunShared(m.Run, func(s *zktest.Server) { shared = s }))
}
