package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres"
)

// question is one run of query.
type question struct {
	role, member              string
	statement, file           string
	username, dbname          string
	askPassword               bool
	format, delimiter, secret string
	again                     again
}

func (a *app) query() *cobra.Command {
	q := &question{format: "tsv"}
	c := &cobra.Command{
		Use: "query [CLUSTER_NAME]", Short: "Run a statement on a member's PostgreSQL",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.runQuery(c.Context(), q, args) },
	}
	f := c.Flags()
	addRole(c, &q.role, "the member of this role; the leader by default")
	f.StringVarP(&q.member, "member", "m", "", "the member of this `name`")
	a.completeMemberFlag(c, "member")
	f.StringVarP(&q.statement, "command", "c", "", "the `SQL` to run")
	f.StringVarP(&q.file, "file", "f", "", "run the SQL in this `file`; - is the standard input")
	f.StringVarP(&q.username, "username", "U", "", "the database `user`")
	f.StringVarP(&q.dbname, "dbname", "d", "", "the `database`")
	f.BoolVar(&q.askPassword, "password", false, "ask for a password")
	f.StringVar(&q.delimiter, "delimiter", "\t", "what is put between `columns`")
	a.addFormat(c, &q.format, "")
	q.again.add(c)
	a.addGroup(c)
	return c
}

func (a *app) runQuery(ctx context.Context, q *question, args []string) error {
	if q.file != "" && q.file != "-" {
		if _, err := os.Stat(q.file); err != nil {
			return usageError{words("Invalid value for '--file' / '-f': %w", err)}
		}
	}
	switch {
	case q.role != "" && q.member != "":
		return errBothRoleAndMember
	case q.statement != "" && q.file != "":
		return errors.New("--file and --command are mutually exclusive options")
	case q.statement == "" && q.file == "":
		return words("You need to specify either --command or --file")
	}
	if q.file != "" {
		text, err := a.readFile(q.file)
		if err != nil {
			return err
		}
		q.statement = string(text)
	}
	if q.askPassword {
		secret, err := a.Secret(ctx, "Password")
		if err != nil {
			return err
		}
		q.secret = secret
	}
	if q.role == "" && q.member == "" {
		q.role = roleLeader
	}
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	return q.again.run(ctx, func(again bool) error {
		if again {
			if view, err = k.Read(ctx); err != nil {
				return err
			}
		}
		a.printAnswer(q, a.ask(ctx, k, view, q))
		return nil
	})
}

// readFile reads a file, or the standard input for "-".
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return a.Input()
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// ask runs the statement. What goes wrong is an answer too, as scripts expect.
func (a *app) ask(ctx context.Context, _ *access.Cluster, view *cluster.Cluster, q *question) postgres.Answer {
	m := one(view, q.role, q.member)
	if m == nil {
		return a.noConnection(q)
	}
	conn, err := a.connect(ctx, m, q)
	if err != nil {
		return a.sqlError(err)
	}
	defer conn.Close()
	if standby, checked := map[string]bool{roleReplica: true, "standby": true, rolePrimary: false, roleMaster: false}[q.role]; checked {
		in, err := conn.InRecovery(ctx)
		if err != nil {
			return a.sqlError(err)
		}
		if in != standby {
			return a.noConnection(q)
		}
	}
	answer, err := conn.Ask(ctx, q.statement)
	if err != nil {
		return a.sqlError(err)
	}
	return answer
}

func (a *app) connect(ctx context.Context, m *cluster.Member, q *question) (*postgres.Client, error) {
	host, port, ok := m.Data.Address()
	if !ok {
		return nil, fmt.Errorf("member %s has not told its address", m.Name)
	}
	login := config.Credentials{Username: q.username, Password: q.secret, HasPassword: q.askPassword}
	for _, e := range a.process.Environ {
		if secret, ok := strings.CutPrefix(e, "PGPASSWORD="); ok && !q.askPassword {
			login.Password, login.HasPassword = secret, true
		}
	}
	return postgres.Connect(ctx, postgres.Login{Host: host, Port: port, Database: q.dbname, Application: "Patroni ctl", Credentials: login})
}

func (a *app) noConnection(q *question) postgres.Answer {
	what := fmt.Sprintf("No connection to role '%s' is available", q.role)
	switch {
	case q.member != "":
		what = fmt.Sprintf("No connection to member %s is available", q.member)
	case a.level.Old():
		what = fmt.Sprintf("No connection to role=%s is available", q.role)
	}
	return a.failure(what)
}

func (a *app) sqlError(err error) postgres.Answer {
	what := postgres.SQLState(err)
	if what == "" {
		what = strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return a.failure("ERROR, SQLSTATE: " + what)
}

// failure is a row without a header.
func (a *app) failure(what string) postgres.Answer {
	return postgres.Answer{Rows: [][]any{{a.now().Format(time.DateTime), what}}}
}

func (a *app) printAnswer(q *question, answer postgres.Answer) {
	if q.format != "tsv" {
		a.Print(formatted(answer, q.format))
		return
	}
	if answer.Columns != nil {
		a.Println(strings.Join(answer.Columns, q.delimiter))
	}
	for _, row := range answer.Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = value(v)
		}
		a.Println(strings.Join(texts, q.delimiter))
	}
}

// value writes a value of a row as Patroni's tool does.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	case time.Time:
		if v.Nanosecond() == 0 {
			return v.Format("2006-01-02 15:04:05-07:00")
		}
		return v.Format("2006-01-02 15:04:05.000000-07:00")
	}
	return fmt.Sprint(v)
}
