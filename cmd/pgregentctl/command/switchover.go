package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
)

// handover is one run of switchover or failover.
type handover struct {
	action    string // switchover or failover
	leader    string
	candidate string
	scheduled string
	dryRun    bool
}

func (h *handover) planned() bool { return h.action == "switchover" }

func (a *app) switchover() *cobra.Command {
	h := &handover{action: "switchover"}
	c := &cobra.Command{
		Use: "switchover [CLUSTER_NAME]", Short: "Hand the leadership over in order",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.handOver(c.Context(), h, args) },
	}
	c.Flags().StringVar(&h.scheduled, "scheduled", "", "`when` to do it, in ISO 8601")
	a.addHandover(c, h)
	return c
}

func (a *app) failover() *cobra.Command {
	h := &handover{action: "failover"}
	c := &cobra.Command{
		Use: "failover [CLUSTER_NAME]", Short: "Make a member the leader, also without a healthy one",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.handOver(c.Context(), h, args) },
	}
	a.addHandover(c, h)
	return c
}

func (a *app) addHandover(c *cobra.Command, h *handover) {
	c.Flags().StringVar(&h.leader, "leader", "", "the `name` of the present leader (also --primary)")
	c.Flags().StringVar(&h.candidate, "candidate", "", "the `name` of the member that is to lead")
	c.Flags().BoolVar(&h.dryRun, "dry-run", false, "say what would be asked of whom, and do nothing (+)")
	a.completeMemberFlag(c, "leader")
	a.completeMemberFlag(c, "candidate")
	a.addForce(c)
	a.addGroup(c)
}

func (a *app) handOver(ctx context.Context, h *handover, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	a.Println("Current cluster topology")
	a.table(k, view)
	if err := a.chooseLeader(ctx, h, k, view); err != nil {
		return err
	}
	if err := a.chooseCandidate(ctx, h, k, view); err != nil {
		return err
	}
	at, err := a.chooseTime(ctx, h, view)
	if err != nil {
		return err
	}
	if h.dryRun {
		return a.rehearse(ctx, h, k, view, at)
	}
	if err := a.agreeHandover(ctx, h, k, view, at); err != nil {
		return err
	}
	return a.request(ctx, h, k, view, at)
}

func (a *app) chooseLeader(ctx context.Context, h *handover, k *access.Cluster, view *cluster.Cluster) error {
	leader := view.LeaderName()
	if h.planned() && leader == "" {
		return words("This cluster has no leader")
	}
	if h.leader == "" && h.planned() {
		h.leader = leader
		if !a.force {
			title := "Primary"
			if cluster.ParseStandbyCluster(view.Config.Object) != nil {
				title = "Standby Leader"
			}
			answer, err := a.Ask(ctx, title, leader)
			if err != nil {
				return err
			}
			h.leader = answer
		}
	}
	if h.leader != "" && h.leader != leader {
		return words("Member %s is not the leader of cluster %s", h.leader, k.Name)
	}
	return nil
}

// candidates are the members that may lead instead, sorted by name.
func candidates(view *cluster.Cluster) []string {
	var list []string
	for _, m := range view.Members {
		if m.Name != view.LeaderName() && !m.Data.Tags.NoFailover() {
			list = append(list, m.Name)
		}
	}
	slices.Sort(list)
	return list
}

func (a *app) chooseCandidate(ctx context.Context, h *handover, k *access.Cluster, view *cluster.Cluster) error {
	list := candidates(view)
	if len(list) == 0 {
		return words("No candidates found to %s to", h.action)
	}
	if h.candidate == "" && !a.force {
		answer, err := a.Ask(ctx, "Candidate ['"+strings.Join(list, "', '")+"']", "")
		if err != nil {
			return err
		}
		h.candidate = answer
	}
	switch {
	case h.candidate == "" && !h.planned():
		return words("Failover could be performed only to a specific candidate")
	case h.candidate == "":
		return nil
	case h.candidate == view.LeaderName() && a.level.Old():
		return words("%s target and source are the same.", capital(h.action))
	case h.candidate == view.LeaderName():
		return words("Member %s is already the leader of cluster %s", h.candidate, k.Name)
	case !slices.Contains(list, h.candidate) && a.level.Old():
		return words("Member %s does not exist in cluster %s", h.candidate, k.Name)
	case !slices.Contains(list, h.candidate):
		return words("Member %s does not exist in cluster %s or is tagged as nofailover", h.candidate, k.Name)
	}
	return a.agreeAsynchronous(ctx, h, view)
}

// agreeAsynchronous asks before a failover to a member that may lack what was
// confirmed to clients.
func (a *app) agreeAsynchronous(ctx context.Context, h *handover, view *cluster.Cluster) error {
	settings, _ := cluster.ParseSettings(view.Config.Object)
	if h.planned() || a.force || h.dryRun || !settings.Synchronous() || view.Sync.Contains(h.candidate) {
		return nil
	}
	yes, err := a.Confirm(ctx, fmt.Sprintf("Are you sure you want to failover to the asynchronous node %s?", h.candidate))
	if err == nil && !yes {
		err = words("Aborting failover")
	}
	return err
}

func (a *app) chooseTime(ctx context.Context, h *handover, view *cluster.Cluster) (string, error) {
	if !h.planned() || h.dryRun && h.scheduled == "" {
		return "", nil
	}
	at, err := a.schedule(ctx, h.scheduled, h.action, " ")
	if err != nil || at == "" {
		return "", err
	}
	if settings, _ := cluster.ParseSettings(view.Config.Object); settings.Pause {
		return "", words("Can't schedule switchover in the paused state")
	}
	return at, nil
}

func (a *app) agreeHandover(ctx context.Context, h *handover, k *access.Cluster, view *cluster.Cluster, at string) error {
	if a.force {
		return nil
	}
	question, no := fmt.Sprintf("Are you sure you want to %s cluster %s", h.action, k.Name), "Aborting "+h.action
	if at != "" {
		question, no = fmt.Sprintf("Are you sure you want to schedule %s of cluster %s at %s", h.action, k.Name, at), "Aborting scheduled "+h.action
	}
	if leader := view.LeaderName(); leader != "" {
		question += ", demoting current leader " + leader
	}
	yes, err := a.Confirm(ctx, question+"?")
	if err == nil && !yes {
		err = errors.New(no)
	}
	return err
}

// target is the member that is asked: the leader, or else the candidate.
func (h *handover) target(view *cluster.Cluster) *cluster.Member {
	if m := view.LeaderMember(); m != nil && m.Data.APIURL != "" {
		return m
	}
	return view.Member(h.candidate)
}

// path is where the request goes. A failover from a named leader is a
// switchover to every release.
func (h *handover) path() string {
	if h.leader != "" {
		return "/switchover"
	}
	return "/failover"
}

func (h *handover) body(at string) []byte {
	return body("candidate", h.candidate, "leader", h.leader, "scheduled_at", at)
}

// request asks for it and prints the answer.
func (a *app) request(ctx context.Context, h *handover, k *access.Cluster, view *cluster.Cluster, at string) error {
	reply, err := a.post(ctx, h, view, at)
	if err != nil {
		return a.afterSilence(ctx, h, k, view, at, err)
	}
	if reply.Code == http.StatusOK || reply.Code == http.StatusAccepted {
		a.Printf("%s %s", a.stamp(), reply.Text)
		return a.tableNow(ctx, k)
	}
	a.refused = true
	a.Printf("%s failed, details: %d, %s", capital(h.action), reply.Code, reply.Text)
	a.hint(reply)
	return nil
}

func (a *app) tableNow(ctx context.Context, k *access.Cluster) error {
	view, err := k.Read(ctx)
	if err == nil {
		a.table(k, view)
	}
	return err
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
