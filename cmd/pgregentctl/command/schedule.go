package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// schedule asks when to do something unless given says it, and returns ISO
// 8601 with offset; "" for now. Without an offset, the time is local.
func (a *app) schedule(ctx context.Context, given, action, blank string) (string, error) {
	if given == "" && !a.force {
		example := a.now().Add(time.Hour).Format("2006-01-02T15:04")
		answer, err := a.Ask(ctx, fmt.Sprintf("When should the %s take place (e.g. %s%s) ", action, example, blank), "now")
		if err != nil {
			return "", err
		}
		given = answer
	}
	if given == "" || given == "now" {
		return "", nil
	}
	at, err := a.parseTime(given)
	if err != nil {
		return "", words("Unable to parse scheduled timestamp (%s). It should be in an unambiguous format (e.g. ISO 8601)", given)
	}
	return at.Format("2006-01-02T15:04:05-07:00"), nil
}

// parseTime reads ISO 8601, with the local zone where none is told, and the
// time of day alone.
func (a *app) parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if at, err := cluster.ParseTime(s); err == nil {
		return at, nil
	}
	now := a.now()
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return at, nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if at, err := time.ParseInLocation("2006-01-02 "+layout, now.Format("2006-01-02 ")+s, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", s)
}
