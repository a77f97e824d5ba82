package rest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// The limits of the event stream.
const (
	// keptEvents is how many events one can go back.
	keptEvents = 1024
	// maxListeners bounds the clients that listen at once.
	maxListeners = 64
	// eventWriteLimit bounds one write to a client; one that does not read
	// that long is dropped and can come back with the last id.
	eventWriteLimit = 10 * time.Second
	// beatEvery is how often a silent stream says that it is alive.
	beatEvery = 15 * time.Second
)

// event is one message, ready to be sent.
type event struct {
	number uint64
	text   []byte
}

// events are the newest events of this server. An id is run-number: the run
// tells one start of the agent from the next.
type events struct {
	run string

	mu        sync.Mutex
	kept      []event // ascending by number, without gaps
	next      uint64
	more      chan struct{} // closed and replaced at each event
	listeners int
}

func newEvents() *events {
	return &events{run: strconv.FormatInt(time.Now().UnixMilli(), 36), next: 1, more: make(chan struct{})}
}

// add publishes an event; the time is added to its data.
func (e *events) add(kind string, data *cluster.Object) {
	o := &cluster.Object{}
	o.Set("time", time.Now().UTC().Format(time.RFC3339Nano))
	for k, v := range data.All() {
		o.Set(k, v)
	}
	text, err := cluster.SpacedJSON(o)
	if err != nil {
		return // not with what this package puts into objects
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %s-%d\nevent: %s\ndata: %s\n\n", e.run, e.next, kind, text)
	if len(e.kept) == keptEvents {
		e.kept = append(e.kept[:0:0], e.kept[keptEvents/4:]...)
	}
	e.kept = append(e.kept, event{e.next, b.Bytes()})
	e.next++
	close(e.more)
	e.more = make(chan struct{})
}

// after returns the events behind a number, whether some are missing before
// them, and what is closed when there are more.
func (e *events) after(number uint64) (found []event, gap bool, more <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept) == 0 || number+1 >= e.next {
		return nil, false, e.more
	}
	first := e.kept[0].number
	if number+1 < first {
		return e.kept[:len(e.kept):len(e.kept)], true, e.more
	}
	from := number + 1 - first
	return e.kept[from:len(e.kept):len(e.kept)], false, e.more
}

// position reads the id that a client has seen last. Without one the stream
// begins now; with one of another run, at what is kept, behind a gap.
func (e *events) position(id string) (number uint64, gap bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id == "" {
		return e.next - 1, false
	}
	run, text, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(text, 10, 64)
	if run != e.run || err != nil || n >= e.next {
		return 0, true
	}
	return n, false
}

// join counts a listener in; false if there are too many.
func (e *events) join(by int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if by > 0 && e.listeners >= maxListeners {
		return false
	}
	e.listeners += by
	return true
}

// listen is GET /events: server-sent events. Last-Event-ID, or the parameter
// of that name, resumes; an event named gap says that some were missed.
func (s *Server) listen(c *gin.Context) {
	id := c.GetHeader("Last-Event-ID")
	if id == "" {
		id = c.Query("last_event_id")
	}
	if !s.events.join(1) {
		text(c, http.StatusServiceUnavailable, "too many clients listen to events")
		return
	}
	defer s.events.join(-1)
	at, gap := s.events.position(id)
	takeTime(c)
	c.Header("Content-Type", "text/event-stream")
	c.Header("Cache-Control", "no-store")
	decorate(c)
	c.Status(http.StatusOK)
	out := &eventWriter{c: c, rc: http.NewResponseController(c.Writer)}
	out.write([]byte(": pgregent\n\n"))
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for out.err == nil {
		found, missed, more := s.events.after(at)
		if gap || missed {
			gap = false
			out.write([]byte("event: gap\ndata: {}\n\n"))
		}
		for _, ev := range found {
			out.write(ev.text)
			at = ev.number
		}
		out.flush()
		select {
		case <-more:
		case <-beat.C:
			out.write([]byte(": alive\n\n"))
		case <-c.Request.Context().Done():
			return
		}
	}
}

// eventWriter writes until the first error.
type eventWriter struct {
	c   *gin.Context
	rc  *http.ResponseController
	err error
}

func (w *eventWriter) write(text []byte) {
	if w.err == nil {
		_ = w.rc.SetWriteDeadline(time.Now().Add(eventWriteLimit))
		_, w.err = w.c.Writer.Write(text)
	}
}

func (w *eventWriter) flush() {
	if w.err == nil {
		w.err = w.rc.Flush()
	}
}
