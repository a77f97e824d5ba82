package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
)

// turning is one run of demote-cluster or promote-cluster.
type turning struct {
	verb    string // demote or promote
	noun    string
	role    cluster.Role
	section any
}

func (a *app) demoteCluster() *cobra.Command {
	var host, restore, slot string
	var port int
	c := &cobra.Command{
		Use: "demote-cluster [CLUSTER_NAME]", Short: "Let the whole cluster follow a server outside",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error {
			if host == "" && port == 0 && restore == "" {
				return words("At least --host, --port or --restore-command should be specified")
			}
			section := &cluster.Object{}
			for _, f := range []struct{ key, text string }{{"host", host}, {"restore_command", restore}, {"primary_slot_name", slot}} {
				if f.text != "" {
					section.Set(f.key, f.text)
				}
			}
			if port != 0 {
				section.Set("port", json.Number(strconv.Itoa(port)))
			}
			return a.turn(c.Context(), turning{"demote", "demotion", cluster.RoleStandbyLeader, section}, args)
		},
	}
	f := c.Flags()
	f.StringVar(&host, "host", "", "the `host` of the server to follow")
	f.IntVar(&port, "port", 0, "its `port`")
	f.StringVar(&restore, "restore-command", "", "the `command` that fetches a file from the archive")
	f.StringVar(&slot, "primary-slot-name", "", "the replication `slot` on that server")
	a.addForce(c)
	return c
}

func (a *app) promoteCluster() *cobra.Command {
	c := &cobra.Command{
		Use: "promote-cluster [CLUSTER_NAME]", Short: "Let a cluster that follows a server outside have a primary of its own",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error {
			return a.turn(c.Context(), turning{"promote", "promotion", cluster.RolePrimary, nil}, args)
		},
	}
	a.addForce(c)
	return c
}

func (a *app) turn(ctx context.Context, t turning, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	leader := view.LeaderMember()
	switch {
	case leader == nil:
		return words("Cluster has no leader, %s is not possible", t.noun)
	case leader.Data.Role == t.role:
		return words("Cluster is already in the required state")
	}
	a.topologyOf(k, view)
	if !a.force {
		yes, err := a.Confirm(ctx, fmt.Sprintf("Are you sure you want to %s %s cluster?", t.verb, k.Name))
		if err != nil {
			return err
		}
		if !yes {
			return errors.New("Aborted cluster " + t.noun)
		}
	}
	patch := &cluster.Object{}
	patch.Set("standby_cluster", t.section)
	reply, err := a.order(ctx, http.MethodPatch, *leader, "/config", []byte(patch.String()), orderLimit)
	if err != nil {
		return err
	}
	if reply.Code != http.StatusOK {
		return words("Failed to %s %s cluster: /config PATCH status code=%d, (%s)", t.verb, k.Name, reply.Code, reply.Text)
	}
	return a.awaitTurn(ctx, t, k, leader.Name)
}

func (a *app) topologyOf(k *access.Cluster, view *cluster.Cluster) {
	a.printMembers(k, view, "topology")
}

// awaitTurn waits, without limit, until the leader has the role.
func (a *app) awaitTurn(ctx context.Context, t turning, k *access.Cluster, former string) error {
	for {
		view, err := k.Read(ctx)
		if err != nil {
			return err
		}
		line, done := progressOf(t, view, former)
		if done {
			a.Printf("%s cluster is successfully %sd", a.stamp(), t.verb)
			a.topologyOf(k, view)
			return nil
		}
		a.Printf("%s %s", a.stamp(), line)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			a.Warn("The change is in the configuration and goes on.")
			return context.Canceled
		}
	}
}

func progressOf(t turning, view *cluster.Cluster, former string) (line string, done bool) {
	var data cluster.MemberData
	leader := view.LeaderMember()
	if leader != nil {
		data = leader.Data
	}
	unlocked := "False"
	if view.Leader == nil {
		unlocked = "True"
	}
	line = fmt.Sprintf("cluster is unlocked: %s, leader role: %s, leader state: %s", unlocked, data.Role, data.State)
	role := data.Role == t.role || t.role == cluster.RolePrimary && data.IsPrimary()
	done = leader != nil && role && data.State == cluster.StateRunning
	if old := view.Member(former); t.verb == "demote" && old != nil && (leader == nil || leader.Name != former) {
		line += fmt.Sprintf(", previous leader state: %s", old.Data.State)
		done = done && old.Data.State == cluster.StateRunning
	}
	return line, done
}
