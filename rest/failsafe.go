package rest

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// promiseHeader tells in seconds how long this node will not race.
const promiseHeader = "X-Pgregent-Promise"

// FailsafeRequest is what a leader that lost the store says of itself.
type FailsafeRequest struct {
	Name    string
	ConnURL string
	APIURL  string
	// Slots are positions by slot name; may be nil.
	Slots map[string]cluster.LSN
}

// FailsafeGrant is the promise that it is given.
type FailsafeGrant struct {
	// For is how long this node will not race.
	For time.Duration
	// LSN is the last known position here.
	LSN cluster.LSN
}

// Why a Backend gives no promise. Other errors are told as they are.
var (
	// ErrFailsafeOff means that failsafe_mode is off.
	ErrFailsafeOff = errors.New("failsafe_mode is off")
	// ErrLeading means that this node is, or may be about to become, primary.
	ErrLeading = errors.New("running as a leader")
)

// failsafe shows the members that a leader has to ask.
func (s *Server) failsafe(c *gin.Context) {
	view, err := s.cached(c)
	switch {
	case err != nil:
		storeDown(c, err)
	case view.Failsafe == nil:
		errorPage(c, http.StatusBadGateway, "Failsafe mode is not active")
	default:
		o := &cluster.Object{}
		for _, name := range slices.Sorted(maps.Keys(view.Failsafe)) {
			o.Set(name, view.Failsafe[name])
		}
		document(c, http.StatusOK, o)
	}
}

// postFailsafe answers a leader that wants to go on without the store. The
// leader compares the bodies word by word.
func (s *Server) postFailsafe(c *gin.Context) {
	o, ok := requiredBody(c)
	if !ok {
		return
	}
	if !s.status().Settings.FailsafeMode {
		errorPage(c, http.StatusBadGateway, "Failsafe mode is not active")
		return
	}
	r, no := parseFailsafe(o)
	if no != nil {
		no.send(c)
		return
	}
	grant, err := s.backend.Failsafe(c.Request.Context(), r)
	switch {
	case errors.Is(err, ErrFailsafeOff):
		errorPage(c, http.StatusBadGateway, "Failsafe mode is not active")
	case errors.Is(err, ErrLeading):
		text(c, http.StatusInternalServerError, "Running as a leader")
	case err != nil:
		s.log.LogAttrs(c, slog.LevelWarn, "no promise for a leader without store", slog.String("leader", r.Name), slog.Any("err", err))
		text(c, http.StatusInternalServerError, err.Error())
	default:
		c.Header("lsn", strconv.FormatUint(uint64(grant.LSN), 10))
		c.Header(promiseHeader, strconv.FormatFloat(grant.For.Seconds(), 'f', -1, 64))
		text(c, http.StatusOK, "Accepted")
	}
}

func parseFailsafe(o *cluster.Object) (FailsafeRequest, *refusal) {
	var r FailsafeRequest
	for _, f := range []struct {
		key string
		to  *string
	}{{"name", &r.Name}, {"conn_url", &r.ConnURL}, {"api_url", &r.APIURL}} {
		value, no := textKey(o, f.key)
		if no != nil {
			return r, no
		}
		if value == "" {
			return r, badRequest(f.key + " is required")
		}
		*f.to = value
	}
	if slots := o.Object("slots"); slots.Len() > 0 {
		r.Slots = map[string]cluster.LSN{}
		for slot, v := range slots.All() {
			if n, ok := cluster.ParseInt(v); ok && n > 0 {
				r.Slots[slot] = cluster.LSN(n)
			}
		}
	}
	return r, nil
}
