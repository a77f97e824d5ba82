package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
)

// The words of --role.
const (
	roleLeader  = "leader"
	rolePrimary = "primary"
	roleMaster  = "master"
	roleStandby = "standby-leader"
	roleReplica = "replica"
	roleAny     = "any"
)

func addRole(c *cobra.Command, value *string, help string) {
	words := []string{roleLeader, rolePrimary, roleStandby, roleReplica, "standby", roleAny, roleMaster}
	c.Flags().VarP(choice{value, words}, "role", "r", help)
	completeChoice(c, "role", words[:len(words)-1])
}

// ofRole are the members that a role word chooses.
func ofRole(view *cluster.Cluster, role string) []cluster.Member {
	var chosen []cluster.Member
	for _, m := range view.Members {
		leads, standby := m.Name == view.LeaderName(), m.Data.Role == cluster.RoleStandbyLeader
		var fits bool
		switch role {
		case roleLeader:
			fits = leads
		case rolePrimary, roleMaster:
			fits = leads && !standby
		case roleStandby:
			fits = leads && !m.Data.IsPrimary()
		case roleReplica, "standby":
			fits = !leads
		default:
			fits = true
		}
		if fits {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

// one is any member of the role, or the one of that name; nil if there is
// none.
func one(view *cluster.Cluster, role, name string) *cluster.Member {
	list := ofRole(view, role)
	if name != "" {
		return view.Member(name)
	}
	if len(list) == 0 {
		return nil
	}
	return &list[rand.IntN(len(list))]
}

var errBothRoleAndMember = errors.New("--role and --member are mutually exclusive options")

// pick chooses the members that an order goes to: the named ones that fit the
// role, or all that fit.
func (a *app) pick(k *access.Cluster, view *cluster.Cluster, names []string, role string) ([]cluster.Member, error) {
	a.table(k, view)
	fitting := ofRole(view, role)
	if len(fitting) == 0 {
		if role == roleAny {
			return nil, fmt.Errorf("%s cluster doesn't have any members", k.Name)
		}
		return nil, fmt.Errorf("%s cluster doesn't have any %s members", k.Name, role)
	}
	if len(names) == 0 {
		return fitting, nil
	}
	var chosen []cluster.Member
	for _, m := range fitting {
		if slices.Contains(names, m.Name) {
			chosen = append(chosen, m)
		}
	}
	switch {
	case len(chosen) > 0:
		return chosen, nil
	case a.level.Old():
		return nil, words("No %s among provided members", role)
	}
	return nil, words("No '%s' among provided members", role)
}

func names(members []cluster.Member) []string {
	var list []string
	for _, m := range members {
		list = append(list, m.Name)
	}
	return list
}

// agree asks whether to do it to these members.
func (a *app) agree(ctx context.Context, verb string, members []cluster.Member, at string) error {
	if a.force {
		return nil
	}
	question := fmt.Sprintf("Are you sure you want to %s members %s?", verb, strings.Join(names(members), ", "))
	no := "Aborted " + verb
	if at != "" {
		question = fmt.Sprintf("Are you sure you want to schedule %s of members %s at %s?", verb, strings.Join(names(members), ", "), at)
		no = "Aborted scheduled " + verb
	}
	yes, err := a.Confirm(ctx, question)
	if err == nil && !yes {
		err = errors.New(no)
	}
	return err
}
