package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

// Records is the record of failovers behind the API.
type Records struct {
	// Local returns the notes of this member, from memory.
	Local func() []record.Entry
	// Peers asks the other members for theirs, in parallel and within a limit
	// of its own, and returns one answer for each.
	Peers func(ctx context.Context, members []cluster.Member) []PeerRecord
}

// PeerRecord are another member's notes; Err says why there are none.
type PeerRecord struct {
	Name    string
	Entries []record.Entry
	Err     string
}

// localRecord is the path below /failovers of a member's own notes.
const localRecord = "local"

// failovers answers GET /failovers (all stories, without their phases),
// /failovers/{id} (one) and /failovers/local (the notes of this member).
func (s *Server) failovers(c *gin.Context) {
	path, _ := target(c.Request)
	_, which, _ := strings.Cut(strings.Trim(path, "/"), "/")
	if which == localRecord {
		document(c, http.StatusOK, notNil(s.options.Records.Local()))
		return
	}
	var id record.ID
	if which != "" {
		var err error
		if id, err = record.ParseID(which); err != nil {
			text(c, http.StatusNotFound, "there is no failover of that id: 32 hexadecimal digits are expected")
			return
		}
	}
	entries, missing := s.gather(c.Request.Context())
	stories := record.Merge(entries)
	if which == "" {
		for i := range stories {
			stories[i].Phases = nil
		}
		document(c, http.StatusOK, gin.H{"failovers": notNil(stories), "missing": missing})
		return
	}
	for _, story := range stories {
		if story.ID == id {
			for _, p := range missing {
				story.Missing(p["member"], p["why"])
			}
			document(c, http.StatusOK, story)
			return
		}
	}
	text(c, http.StatusNotFound, "there is no failover of that id")
}

// gather takes all members' notes together; missing are those that could not
// be asked.
func (s *Server) gather(ctx context.Context) (entries []record.Entry, missing []map[string]string) {
	entries, missing = s.options.Records.Local(), []map[string]string{}
	st := s.status()
	if st.Cluster == nil {
		return entries, append(missing, map[string]string{"member": "all others", "why": "this agent cannot read ZooKeeper"})
	}
	var others []cluster.Member
	for _, m := range st.Cluster.Members {
		if m.Name != st.Name {
			others = append(others, m)
		}
	}
	for _, p := range s.options.Records.Peers(ctx, others) {
		if p.Err != "" {
			missing = append(missing, map[string]string{"member": p.Name, "why": p.Err})
		}
		entries = append(entries, p.Entries...)
	}
	return entries, missing
}

// notNil makes an empty list where JSON would say null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
