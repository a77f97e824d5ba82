package fence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// answerLimit bounds the wait for the fence's answer: it has nothing else to
// do.
const answerLimit = 500 * time.Millisecond

// ErrRefused means that the fence did not take a message: it is of an older
// epoch than what the fence knows, or of a spent session.
var ErrRefused = errors.New("the fence refused")

// ErrLost means that there is no fence to speak to.
var ErrLost = errors.New("the fence does not answer")

// Client is the agent's side. It keeps one fence process alive: spawn starts
// one when none answers. It is safe for concurrent use.
type Client struct {
	stateDir string
	spawn    func() error
	lost     func()

	mu  sync.Mutex
	fd  int // -1: not connected
	seq uint32
	// last is the newest answer.
	last Reply
	// silent is the fence that has last not answered in time.
	silent peer
}

// NewClient returns a Client that is not connected yet. spawn starts a fence
// process and returns without waiting for it; lost is called, from another
// goroutine, when the connection to a fence has ended.
func NewClient(stateDir string, spawn func() error, lost func()) *Client {
	return &Client{stateDir: stateDir, spawn: spawn, lost: lost, fd: -1, silent: peer{fd: -1}}
}

// Connect finds the fence that a former agent left, or starts one. It
// returns what that fence has armed. A fence that is there and does not answer
// before ctx ends is killed, and the next call starts another: two fences
// must not live side by side, since the one that nobody feeds would kill
// PostgreSQL, and close a session, when nobody expects it.
func (c *Client) Connect(ctx context.Context) (Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		return c.exchange(Message{Kind: Hello})
	}
	reply, err := c.attach()
	for errors.Is(err, unix.EAGAIN) && ctx.Err() == nil {
		reply, err = c.attach() // it may be busy with killing: give it time
	}
	switch {
	case err == nil:
		return reply, nil
	case errors.Is(err, unix.EAGAIN):
		return Reply{}, errors.Join(err, c.silent.kill())
	}
	if err := c.spawn(); err != nil {
		return Reply{}, fmt.Errorf("start the fence: %w", err)
	}
	for ctx.Err() == nil {
		if reply, err = c.attach(); err == nil {
			return reply, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // until its socket is there
		}
	}
	return Reply{}, fmt.Errorf("connect to the new fence: %w", err)
}

// attach connects and says hello. The caller holds mu.
func (c *Client) attach() (Reply, error) {
	fd, err := dial(c.stateDir, answerLimit)
	if err != nil {
		return Reply{}, err
	}
	c.fd = fd
	peer := peerOf(fd)
	reply, err := c.exchange(Message{Kind: Hello})
	if err == nil {
		go c.watch(fd)
	}
	if errors.Is(err, unix.EAGAIN) { // it was alive after peer was opened
		c.silent, peer = peer, c.silent
	}
	peer.forget()
	return reply, err
}

// watch waits for the end of the connection.
func (c *Client) watch(fd int) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		_, err := unix.Poll(fds, int(time.Second/time.Millisecond))
		c.mu.Lock()
		over := c.fd != fd
		if !over && (fds[0].Revents != 0 || (err != nil && !errors.Is(err, unix.EINTR))) {
			c.drop()
		}
		gone := c.fd != fd
		c.mu.Unlock()
		if gone {
			if !over {
				c.lost()
			}
			return
		}
	}
}

// drop closes the connection. The caller holds mu.
func (c *Client) drop() {
	_ = unix.Close(c.fd)
	c.fd = -1
}

// Last is the newest answer of a fence, from memory.
func (c *Client) Last() Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Ready reports that a fence is connected.
func (c *Client) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fd >= 0
}

// Arm tells the fence to kill PostgreSQL at hard, before PostgreSQL becomes
// writable. session owns the leader znode of epoch. It returns ErrLost or
// ErrRefused; then it must not become so.
func (c *Client) Arm(epoch cluster.Epoch, session int64, hard lease.Instant) error {
	return c.say(Message{Kind: Arm, Epoch: epoch, Session: session, Hard: hard})
}

// Spent is the session that the fence has last killed PostgreSQL for, as far
// as it has told; 0: none.
func (c *Client) Spent() int64 { return c.Last().Spent }

// Renew prolongs what is armed.
func (c *Client) Renew(epoch cluster.Epoch, hard lease.Instant) error {
	return c.say(Message{Kind: Renew, Epoch: epoch, Hard: hard})
}

// Disarm is for when PostgreSQL is down or in recovery, and for pause.
func (c *Client) Disarm(epoch cluster.Epoch) error {
	return c.say(Message{Kind: Disarm, Epoch: epoch})
}

// Quit ends the fence, which refuses while it is armed.
func (c *Client) Quit() error {
	err := c.say(Message{Kind: Quit})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		c.drop()
	}
	return err
}

func (c *Client) say(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply, err := c.exchange(m)
	switch {
	case err != nil:
		return err
	case reply.Refused:
		return fmt.Errorf("%w: it knows epoch %d, armed %v", ErrRefused, reply.Epoch, reply.Armed)
	}
	return nil
}

// exchange sends one message and reads its answer. The caller holds mu.
func (c *Client) exchange(m Message) (Reply, error) {
	if c.fd < 0 {
		return Reply{}, ErrLost
	}
	c.seq++
	m.Seq = c.seq
	if _, err := unix.Write(c.fd, m.append(make([]byte, 0, messageSize))); err != nil {
		c.drop()
		return Reply{}, fmt.Errorf("%w: %w", ErrLost, err)
	}
	packet := make([]byte, packetSize)
	for {
		n, err := unix.Read(c.fd, packet)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = errors.New("connection closed")
		}
		if err != nil {
			c.drop()
			return Reply{}, fmt.Errorf("%w: %w", ErrLost, err)
		}
		reply, err := parseReply(packet[:n])
		if err != nil {
			c.drop()
			return Reply{}, fmt.Errorf("%w: %w", ErrLost, err)
		}
		if reply.Seq == m.Seq { // else: the late answer of one that was given up
			c.last = reply
			return reply, nil
		}
	}
}
