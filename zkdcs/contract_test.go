package zkdcs_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/sim/contract"
	"github.com/pgregent/pgregent/zkdcs"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// The adapter keeps the contract that the simulation's model keeps.
func TestStoreContract(t *testing.T) {
	server := zktest.Start(t)
	for _, c := range contract.StoreCases() {
		t.Run(c.Name, func(t *testing.T) {
			c.Run(t, func(member string) agent.Store { return open(t, server, member) })
		})
	}
	t.Run("a former leader writes nothing", func(t *testing.T) {
		client, _, err := zk.Connect([]string{server.Addr()}, 5*time.Second, zk.WithLogInfo(false))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		contract.FormerLeader(t, func(member string) agent.Store { return open(t, server, member) }, func() {
			if err := client.Delete(cluster.Path("/"+t.Name(), "contract")+"/leader", -1); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func open(t *testing.T, server *zktest.Server, member string) agent.Store {
	s, err := zkdcs.New(zkdcs.Options{
		Access: zkdcs.Access{Hosts: []string{server.Addr()}}, Namespace: t.Name(), Scope: "contract", Name: member, InstanceID: member,
		SessionTimeout: 5 * time.Second, RetryTimeout: 5 * time.Second, TickTime: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}
