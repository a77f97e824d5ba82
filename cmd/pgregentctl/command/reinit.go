package command

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/client"
)

// lookAgain is how long the tool waits between two looks at work that goes on:
// agents of every release can be asked, none can be subscribed to.
const lookAgain = 2 * time.Second

// reinitializing is one run of reinit.
type reinitializing struct{ wait, fromLeader bool }

func (a *app) reinit() *cobra.Command {
	r := &reinitializing{}
	c := &cobra.Command{
		Use: "reinit CLUSTER_NAME [MEMBER_NAMES]...", Short: "Replace the data of standbys by a fresh copy",
		Args: needsCluster(-1), ValidArgsFunction: a.completeMembers,
		RunE: func(c *cobra.Command, args []string) error { return a.runReinit(c.Context(), r, args) },
	}
	c.Flags().BoolVar(&r.wait, "wait", false, "wait until the copies are complete")
	c.Flags().BoolVar(&r.fromLeader, "from-leader", false, "copy from the leader, not from another standby")
	a.addForce(c)
	a.addGroup(c)
	return c
}

func (a *app) runReinit(ctx context.Context, r *reinitializing, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	chosen, err := a.pick(k, view, args[1:], roleReplica)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		if a.force {
			return nil // everybody at once is asked for by name only
		}
		if chosen, err = a.askMember(ctx, chosen); err != nil {
			return err
		}
	}
	if err := a.agree(ctx, "reinitialize", chosen, ""); err != nil {
		return err
	}
	var started []cluster.Member
	err = a.each(chosen, func(m cluster.Member) error {
		ok, err := a.reinitOne(ctx, r, m)
		if ok {
			started = append(started, m)
		}
		return err
	})
	if err != nil || !r.wait || len(started) == 0 {
		return err
	}
	return a.awaitCopies(ctx, k, started)
}

// askMember asks for one of the members.
func (a *app) askMember(ctx context.Context, fitting []cluster.Member) ([]cluster.Member, error) {
	question := fmt.Sprintf("Which member do you want to reinitialize [%s]?", strings.Join(names(fitting), ", "))
	answer, err := a.Ask(ctx, question, "")
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(fitting, func(m cluster.Member) bool { return m.Name == answer })
	if at < 0 {
		return nil, fmt.Errorf("%s is not a member of cluster", answer)
	}
	return fitting[at : at+1], nil
}

// reinitOne reports whether the work has begun.
func (a *app) reinitOne(ctx context.Context, r *reinitializing, m cluster.Member) (bool, error) {
	send := func(force bool) (client.Reply, error) {
		return a.order(ctx, http.MethodPost, m, "/reinitialize", body("force", force, "from_leader", r.fromLeader), 0)
	}
	reply, err := send(a.force)
	if err != nil {
		return false, err
	}
	if reply.Code >= http.StatusBadRequest && strings.HasSuffix(reply.Text, " already in progress") && !a.force {
		a.fail("reinitialize", m, reply)
		yes, err := a.Confirm(ctx, "Do you want to cancel it and reinitialize anyway?")
		if err != nil || !yes {
			return false, err
		}
		a.refused = false
		if reply, err = send(true); err != nil {
			return false, err
		}
	}
	if reply.Code >= http.StatusBadRequest {
		a.fail("reinitialize", m, reply)
		return false, nil
	}
	a.Printf("Success: reinitialize for member %s", m.Name)
	return true, nil
}

// awaitCopies waits until no member is being copied any more.
func (a *app) awaitCopies(ctx context.Context, k *access.Cluster, waiting []cluster.Member) error {
	a.Printf("Waiting for reinitialize to complete on: %s", strings.Join(names(waiting), ", "))
	stop := make(map[string]func())
	for _, m := range waiting {
		stop[m.Name] = a.follow(ctx, m, "copying")
	}
	defer func() {
		for _, end := range stop {
			end()
		}
	}()
	for len(waiting) > 0 {
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			a.Warn("The copy goes on: look at pgregentctl list %s", k.Name)
			return context.Canceled
		}
		waiting = slices.DeleteFunc(waiting, func(m cluster.Member) bool {
			doc, err := a.statusOf(ctx, m)
			if err != nil || text(doc.Get("state")) == string(cluster.StateCreatingReplica) {
				return false
			}
			stop[m.Name]()
			delete(stop, m.Name)
			a.Printf("Reinitialize is completed on: %s", m.Name)
			return true
		})
	}
	return nil
}
