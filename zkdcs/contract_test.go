package zkdcs_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/test/sim/contract"
	"github.com/pgregent/pgregent/zkdcs"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// The adapter keeps the contract that the simulation's model keeps.
func TestStoreContract(t *testing.T) {
	server := zktest.Start(t)
	for _, c := range contract.StoreCases() {
		t.Run(c.Name, func(t *testing.T) {
			c.Run(t, func(member string) agent.Store {
				s, err := zkdcs.New(zkdcs.Options{
					Hosts: []string{server.Addr()}, Namespace: t.Name(), Scope: "contract", Name: member, InstanceID: member,
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
			})
		})
	}
}
