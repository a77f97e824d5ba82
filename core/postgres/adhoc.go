package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lib/pq"

	"github.com/pgregent/pgregent/core/config"
)

// Login is where and as whom a person connects. What is empty is taken from
// the environment, as libpq does (PGUSER, PGPASSWORD, ...).
type Login struct {
	Host        string
	Port        int
	Database    string
	Credentials config.Credentials
	// Application is the application_name.
	Application string
}

// Answer is the first result of a statement.
type Answer struct {
	Columns []string
	// Rows hold nil, bool, int64, float64, string and time.Time.
	Rows [][]any
}

// adhocDial is how long a server may take to answer a connection request.
const adhocDial = 5 * time.Second

// Client is one connection of a person, apart from all that agents do.
type Client struct{ db *sql.DB }

// Connect logs in. The error is PostgreSQL's text, without any password.
func Connect(ctx context.Context, l Login) (*Client, error) {
	words := []word{
		{"host", l.Host},
		{"port", strconv.Itoa(l.Port)},
		{"application_name", l.Application},
		{"connect_timeout", strconv.Itoa(int(adhocDial.Seconds()))},
	}
	if l.Database != "" {
		words = append(words, word{"dbname", l.Database})
	}
	if l.Credentials.Username != "" {
		words = append(words, word{"user", l.Credentials.Username})
	}
	if l.Credentials.HasPassword {
		words = append(words, word{"password", l.Credentials.Password})
	}
	if _, set := l.Credentials.SSL["sslmode"]; !set {
		words = append(words, word{"sslmode", "prefer"})
	} else {
		words = append(words, word{"sslmode", l.Credentials.SSL["sslmode"]})
	}
	db, err := open(conninfo(append(words, goWords(l.Credentials)...)), &deadlineDialer{limit: noLimit}, 1)
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // never opened
		return nil, err
	}
	return &Client{db}, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.db.Close() }

// InRecovery asks whether the server is a standby.
func (c *Client) InRecovery(ctx context.Context) (bool, error) {
	var standby bool
	err := c.db.QueryRowContext(ctx, "SELECT pg_catalog.pg_is_in_recovery()").Scan(&standby)
	if err != nil {
		return false, fmt.Errorf("ask for the role: %w", err)
	}
	return standby, nil
}

// Ask runs statements and returns the first result; one without columns if
// there is none.
func (c *Client) Ask(ctx context.Context, statements string) (Answer, error) {
	rows, err := c.db.QueryContext(ctx, statements)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has told
	var a Answer
	if a.Columns, err = rows.Columns(); err != nil {
		return Answer{}, err
	}
	for rows.Next() {
		row := make([]any, len(a.Columns))
		into := make([]any, len(a.Columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return Answer{}, err
		}
		for i, v := range row {
			if text, ok := v.([]byte); ok {
				row[i] = string(text)
			}
		}
		a.Rows = append(a.Rows, row)
	}
	return a, rows.Err()
}

// SQLState is the code of an error of the server, "" for other errors.
func SQLState(err error) string {
	if e, ok := errors.AsType[*pq.Error](err); ok {
		return string(e.Code)
	}
	return ""
}
