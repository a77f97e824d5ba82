package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

const (
	// soakIdle connections are held open, and opened again when the agent ends
	// them; soakRate checks a second are sent meanwhile.
	soakIdle = 1000
	soakRate = 200
	// soakWarm is how many marks are not looked at while the heap finds its size.
	soakWarm = 2
	// soakGrowth is what the agent may grow afterwards, in MiB: the heap's size
	// goes up and down by that between two collections.
	soakGrowth = 6
)

// TestSoak has an agent answer health checks beside idle connections and
// listeners to events, for PGREGENT_SOAK, and wants its memory to stay what it
// was after the first minutes.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("PGREGENT_SOAK"))
	if err != nil {
		t.Skip("takes minutes; make soak sets PGREGENT_SOAK")
	}
	n := lab.New(t, lab.Options{Nodes: 1}).Leader()
	s := &soak{t: t, node: n, ctx: t.Context().Done()}
	s.load()
	mark := min(time.Minute, length/10)
	var marks []float64
	for tick := time.NewTicker(mark); len(marks) < int(length/mark); {
		<-tick.C
		marks = append(marks, memory(t, n.Pid(), "Rss:"))
		t.Logf("after %v: RSS %.1f MiB, %d open files; %d checks, %d failed, %d idle connections opened", time.Duration(len(marks))*mark,
			marks[len(marks)-1], s.files(), s.checks.Load(), s.failed.Load(), s.opened.Load())
	}
	// The least of some marks is what stays after a collection.
	warm := slices.Min(marks[soakWarm : soakWarm+3])
	last := slices.Min(marks[len(marks)-3:])
	t.Logf("the agent's memory: %.1f MiB after warming up, %.1f MiB at the end", warm, last)
	if last > warm+soakGrowth {
		t.Errorf("the agent has grown by %.1f MiB, want at most %d", last-warm, soakGrowth)
	}
	if failed := s.failed.Load(); failed > 0 {
		t.Errorf("%d of %d checks failed", failed, s.checks.Load())
	}
}

// soak is the load on one agent.
type soak struct {
	t                      *testing.T
	node                   *lab.Node
	ctx                    <-chan struct{}
	checks, failed, opened atomic.Int64
}

// load starts all clients; they end with the test.
func (s *soak) load() {
	var all sync.WaitGroup
	for i := range soakIdle {
		all.Go(func() { s.idle(i) })
	}
	for range 8 {
		all.Go(s.listen)
	}
	kept := &http.Client{Timeout: 10 * time.Second}
	fresh := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for i, path := range []string{"/primary", "/replica", "/health", "/patroni", "/metrics", "/cluster", "/nothing", "/primary"} {
		h, every := kept, 8*time.Second/soakRate
		if i == 7 {
			h = fresh
		}
		all.Go(func() { s.check(h, path, every) })
	}
	s.t.Cleanup(all.Wait)
}

// check sends one check again and again.
func (s *soak) check(h *http.Client, path string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx:
			return
		case <-tick.C:
		}
		s.checks.Add(1)
		resp, err := h.Get(s.node.URL(path))
		if err != nil {
			s.failed.Add(1)
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		want := http.StatusOK
		if path == "/replica" || path == "/nothing" {
			want = http.StatusServiceUnavailable
		}
		if resp.StatusCode != want {
			s.failed.Add(1)
		}
	}
}

// idle holds one connection after one request, and opens another when the
// agent has ended it. Each address has fewer than the bound for one.
func (s *soak) idle(number int) {
	address := strings.TrimPrefix(s.node.URL(""), "http://")
	for {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+number/500))}, Timeout: 10 * time.Second}
		c, err := d.Dial("tcp", address)
		if err == nil {
			s.opened.Add(1)
			gone := make(chan struct{})
			go func() {
				_, _ = io.WriteString(c, "HEAD /primary HTTP/1.1\r\nHost: x\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
				close(gone)
			}()
			select {
			case <-gone:
			case <-s.ctx:
			}
			_ = c.Close()
			<-gone
		}
		select {
		case <-s.ctx:
			return
		case <-time.After(100 * time.Millisecond): // the agent may be busy
		}
	}
}

// listen is a client of the events, which comes again every few seconds.
func (s *soak) listen() {
	h := &http.Client{Timeout: 5 * time.Second}
	for {
		resp, err := h.Get(s.node.URL("/events"))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // until the time is over
			_ = resp.Body.Close()
		}
		select {
		case <-s.ctx:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// files is how many files and sockets the agent has open.
func (s *soak) files() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.node.Pid()))
	if err != nil {
		s.t.Error(err)
	}
	return len(list)
}
