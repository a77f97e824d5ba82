package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/cluster"
)

// statusLimit bounds the question how a member is.
const statusLimit = 10 * time.Second

func (a *app) dsn() *cobra.Command {
	var role, member string
	c := &cobra.Command{
		Use: "dsn [CLUSTER_NAME]", Short: "Print host and port of a member, the leader by default",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error {
			if role != "" && member != "" {
				return errBothRoleAndMember
			}
			_, view, err := a.open(c.Context(), args)
			if err != nil {
				return err
			}
			if role == "" {
				role = roleLeader
			}
			m := one(view, role, member)
			if m == nil {
				return words("Can not find a suitable member")
			}
			host, port, ok := m.Data.Address()
			if !ok {
				return fmt.Errorf("member %s has not told its address", m.Name)
			}
			a.Printf("host=%s port=%d", host, port)
			return nil
		},
	}
	addRole(c, &role, "the member of this role")
	c.Flags().StringVarP(&member, "member", "m", "", "the member of this `name`")
	a.completeMemberFlag(c, "member")
	a.addGroup(c)
	return c
}

func (a *app) version() *cobra.Command {
	c := &cobra.Command{
		Use: "version [CLUSTER_NAME] [MEMBER_NAMES]...", Short: "Print the version of this tool, and of members",
		ValidArgsFunction: a.completeMembers,
		RunE: func(c *cobra.Command, args []string) error {
			a.Printf("pgregentctl version %s", a.process.Version)
			if len(args) == 0 {
				return nil
			}
			_, view, err := a.open(c.Context(), args[:1])
			if err != nil {
				return err
			}
			a.Println("")
			for _, m := range view.Members {
				if m.Data.APIURL != "" && (len(args) == 1 || slices.Contains(args[1:], m.Name)) {
					a.Println(m.Name + ": " + a.versionOf(c.Context(), m))
				}
			}
			return nil
		},
	}
	a.addGroup(c)
	return c
}

// versionOf tells the releases of a member's agent and of its PostgreSQL.
func (a *app) versionOf(ctx context.Context, m cluster.Member) string {
	doc, err := a.statusOf(ctx, m)
	if err != nil {
		return "failed to get version: " + err.Error()
	}
	text := "Patroni " + text(doc.Object("patroni").Get("version"))
	if n, ok := cluster.ParseInt(doc.Get("server_version")); ok {
		text += " PostgreSQL " + serverVersion(n)
	}
	return text
}

// serverVersion writes 150005 as 15.5 and 90624 as 9.6.24.
func serverVersion(n int64) string {
	if n < 100000 {
		return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
	}
	return fmt.Sprintf("%d.%d", n/10000, n%10000)
}

// statusOf reads a member's status document.
func (a *app) statusOf(ctx context.Context, m cluster.Member) (*cluster.Object, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, statusLimit, fmt.Errorf("no answer within %v", statusLimit))
	defer cancel()
	r, err := a.agents.Do(ctx, http.MethodGet, m.Data.APIURL, "/patroni", nil)
	if err != nil {
		return nil, err
	}
	return cluster.ParseObject([]byte(r.Text))
}

// text is a scalar as text, "" for null.
func text(v any) string {
	if v == nil {
		return ""
	}
	return cluster.Text(v)
}

// body writes a JSON object of the given keys; nil values are left out.
func body(pairs ...any) []byte {
	o := &cluster.Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			if v != "" {
				o.Set(pairs[i].(string), v)
			}
		case json.Number:
			o.Set(pairs[i].(string), v)
		default:
			o.Set(pairs[i].(string), v)
		}
	}
	return []byte(o.String())
}
