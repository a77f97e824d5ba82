package rest

import (
	"net/http"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// parseSchedule reads when action ("switchover") is to happen.
func parseSchedule(v any, action string, now time.Time) (time.Time, *refusal) {
	s, _ := v.(string)
	at, err := cluster.ParseTime(s)
	if err == nil && at.Before(now) {
		return time.Time{}, &refusal{http.StatusUnprocessableEntity, "Cannot schedule " + action + " in the past"}
	}
	if err == nil {
		return at, nil
	}
	if _, err := cluster.ParseTime(s + "Z"); err == nil {
		return time.Time{}, &refusal{http.StatusBadRequest, "Timezone information is mandatory for the scheduled " + action}
	}
	return time.Time{}, &refusal{
		http.StatusUnprocessableEntity,
		"Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601",
	}
}
