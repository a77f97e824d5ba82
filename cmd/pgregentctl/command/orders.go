package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/client"
)

// orderLimit bounds orders that are answered at once.
const orderLimit = 15 * time.Second

// restarting is one run of restart.
type restarting struct {
	role, scheduled, version, timeout string
	any, pending                      bool
}

func (a *app) restart() *cobra.Command {
	r := &restarting{role: roleAny}
	c := &cobra.Command{
		Use: "restart CLUSTER_NAME [MEMBER_NAMES]...", Short: "Restart the PostgreSQL of members",
		Args: needsCluster(-1), ValidArgsFunction: a.completeMembers,
		RunE: func(c *cobra.Command, args []string) error { return a.runRestart(c.Context(), r, args) },
	}
	f := c.Flags()
	addRole(c, &r.role, "only members of this role")
	f.BoolVar(&r.any, "any", false, "restart one member of the chosen ones")
	f.StringVar(&r.scheduled, "scheduled", "", "`when` to do it, in ISO 8601")
	f.StringVar(&r.version, "pg-version", "", "only servers older than this PostgreSQL `version`")
	f.BoolVar(&r.pending, "pending", false, "only where settings wait for a restart")
	f.StringVar(&r.timeout, "timeout", "", "how many `seconds` a start may take")
	a.addForce(c)
	a.addGroup(c)
	return c
}

func (a *app) runRestart(ctx context.Context, r *restarting, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	chosen, err := a.pick(k, view, args[1:], r.role)
	if err != nil {
		return err
	}
	if r.any {
		chosen = []cluster.Member{chosen[rand.IntN(len(chosen))]}
	}
	at, err := a.schedule(ctx, r.scheduled, "restart", "")
	if err != nil {
		return err
	}
	if r.pending && at == "" && !a.level.Old() {
		if chosen = pendingOnly(chosen); len(chosen) == 0 {
			a.Println("There are no members with pending restart.")
			return nil
		}
	}
	if err := a.agree(ctx, "restart", chosen, at); err != nil {
		return err
	}
	if r.version == "" && !a.force {
		if r.version, err = a.Ask(ctx, "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", ""); err != nil {
			return err
		}
	}
	if err := checkVersion(r.version); err != nil {
		return err
	}
	if settings, _ := cluster.ParseSettings(view.Config.Object); at != "" && settings.Pause {
		return words("Can't schedule restart in the paused state")
	}
	return a.each(chosen, func(m cluster.Member) error { return a.restartOne(ctx, r, m, at) })
}

// each gives an order to all members. The first one that cannot be reached is
// told at the end; the others get theirs all the same.
func (a *app) each(members []cluster.Member, order func(cluster.Member) error) error {
	var failed []string
	for _, m := range members {
		err := order(m)
		if errors.Is(err, context.Canceled) {
			a.Warn("The order to %s was sent and is not taken back.", m.Name)
			return err
		}
		if err != nil {
			a.Printf("Failed: member %s: %v", m.Name, err)
			failed = append(failed, m.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("no answer from %s: is the agent running, and is the address in its api_url right?", strings.Join(failed, ", "))
	}
	return nil
}

func pendingOnly(list []cluster.Member) []cluster.Member {
	var out []cluster.Member
	for _, m := range list {
		if m.Data.PendingRestart {
			out = append(out, m)
		}
	}
	return out
}

var versionForm = regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`)

// checkVersion refuses what an agent would refuse.
func checkVersion(v string) error {
	if v == "" {
		return nil
	}
	if regexp.MustCompile(`^[\d.]+$`).MatchString(v) && !strings.Contains(v, "..") {
		parts := strings.Split(v, ".")
		major, _ := strconv.Atoi(parts[0])
		if versionForm.MatchString(v) && (len(parts) == 3 || major >= 10) {
			return nil
		}
		return words("Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: %s", v)
	}
	return words("Invalid PostgreSQL version: %s", v)
}

func (a *app) restartOne(ctx context.Context, r *restarting, m cluster.Member, at string) error {
	if at != "" && a.force && m.Data.ScheduledRestart.Len() > 0 {
		if err := a.flushRestart(ctx, m); err != nil {
			return err
		}
	}
	o := &cluster.Object{}
	for _, f := range []struct{ key, text string }{{"postgres_version", r.version}, {"schedule", at}, {"timeout", r.timeout}} {
		if f.text != "" {
			o.Set(f.key, f.text)
		}
	}
	if r.pending {
		o.Set("restart_pending", true)
	}
	progress := a.follow(ctx, m, "restarting")
	reply, err := a.order(ctx, http.MethodPost, m, "/restart", []byte(o.String()), 0)
	progress()
	if err != nil {
		return err
	}
	switch reply.Code {
	case http.StatusOK:
		a.Printf("Success: restart on member %s", m.Name)
	case http.StatusAccepted:
		a.Printf("Success: restart scheduled on member %s", m.Name)
	case http.StatusConflict:
		a.refused = true
		a.Printf("Failed: another restart is already scheduled on member %s", m.Name)
	default:
		a.fail("restart", m, reply)
	}
	return nil
}

// fail prints the refusal of an order.
func (a *app) fail(what string, m cluster.Member, reply client.Reply) {
	a.refused = true
	a.Printf("Failed: %s for member %s, status code=%d, (%s)", what, m.Name, reply.Code, reply.Text)
	a.hint(reply)
}

// hint says what to do about a refusal of access.
func (a *app) hint(reply client.Reply) {
	switch reply.Code {
	case http.StatusUnauthorized:
		a.Warn("The agent wants a user name and a password: set ctl.authentication, or restapi.authentication, as in the agent's file.")
	case http.StatusForbidden:
		a.Warn("The agent refuses this host or certificate: look at restapi.allowlist and restapi.verify_client in its file.")
	}
}

// order calls a member; limit 0 is none.
func (a *app) order(ctx context.Context, method string, m cluster.Member, path string, body []byte, limit time.Duration) (client.Reply, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
		defer cancel()
	}
	reply, err := a.agents.Do(ctx, method, m.Data.APIURL, path, body)
	a.noteTrace(reply)
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return reply, context.Canceled
	}
	return reply, err
}

func (a *app) reload() *cobra.Command {
	role := roleAny
	c := &cobra.Command{
		Use: "reload CLUSTER_NAME [MEMBER_NAMES]...", Short: "Let members read their configuration files again",
		Args: needsCluster(-1), ValidArgsFunction: a.completeMembers,
		RunE: func(c *cobra.Command, args []string) error {
			k, view, err := a.open(c.Context(), args)
			if err != nil {
				return err
			}
			chosen, err := a.pick(k, view, args[1:], role)
			if err != nil {
				return err
			}
			if err := a.agree(c.Context(), "reload", chosen, ""); err != nil {
				return err
			}
			settings, _ := cluster.ParseSettings(view.Config.Object)
			return a.each(chosen, func(m cluster.Member) error { return a.reloadOne(c.Context(), m, settings.LoopWait) })
		},
	}
	addRole(c, &role, "only members of this role")
	a.addForce(c)
	a.addGroup(c)
	return c
}

func (a *app) reloadOne(ctx context.Context, m cluster.Member, loopWait time.Duration) error {
	reply, err := a.order(ctx, http.MethodPost, m, "/reload", nil, orderLimit)
	if err != nil {
		return err
	}
	switch reply.Code {
	case http.StatusOK:
		a.Printf("No changes to apply on member %s", m.Name)
	case http.StatusAccepted:
		a.Printf("Reload request received for member %s and will be processed within %d seconds", m.Name, int(loopWait.Seconds()))
	default:
		a.fail("reload", m, reply)
	}
	return nil
}

// flushRestart drops a restart that is scheduled on a member.
func (a *app) flushRestart(ctx context.Context, m cluster.Member) error {
	if m.Data.ScheduledRestart.Len() == 0 {
		a.Printf("No scheduled restart for member %s", m.Name)
		return nil
	}
	reply, err := a.order(ctx, http.MethodDelete, m, "/restart", nil, orderLimit)
	if err != nil {
		return err
	}
	if reply.Code == http.StatusOK {
		a.Printf("Success: flush scheduled restart for member %s", m.Name)
	} else {
		a.fail("flush scheduled restart", m, reply)
	}
	return nil
}

// reachable are the members with a REST address, the leader first.
func reachable(view *cluster.Cluster) []cluster.Member {
	var list []cluster.Member
	for _, m := range view.Members {
		switch {
		case m.Data.APIURL == "":
		case m.Name == view.LeaderName():
			list = append([]cluster.Member{m}, list...)
		default:
			list = append(list, m)
		}
	}
	return list
}

// blankFailover drops what is in the failover key, as its version was read.
func blankFailover(ctx context.Context, k *access.Cluster, version int32) error {
	return k.SetFailover(ctx, cluster.Failover{}, version)
}
