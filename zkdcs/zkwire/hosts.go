package zkwire

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// Hosts is a host provider for the client that keeps host names, so that the
// dialer resolves them each time and one unknown name does no harm.
type Hosts struct {
	mu    sync.Mutex
	list  []string
	next  int
	tried int // since the last success
}

// Init takes the host:port list over, in random order.
func (h *Hosts) Init(servers []string) error {
	if len(servers) == 0 {
		return errors.New("no hosts")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append([]string(nil), servers...)
	rand.Shuffle(len(h.list), func(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] })
	return nil
}

// Len is the number of hosts.
func (h *Hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.list)
}

// Next is the host to try. retryStart is true when all of them have been
// tried since the last success: the client then waits for a second.
func (h *Hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tried >= len(h.list) {
		h.tried, retryStart = 0, true
	}
	h.tried++
	server = h.list[h.next%len(h.list)]
	h.next++
	return server, retryStart
}

// Connected notes a completed handshake.
func (h *Hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}
