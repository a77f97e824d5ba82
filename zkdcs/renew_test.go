package zkdcs

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

func TestHandshakeShortensTheLease(t *testing.T) {
	s, err := New(Options{Access: Access{Hosts: []string{"localhost"}}, Scope: "x", Name: "a", SessionTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	sess := Session{ID: 7, Timeout: 20 * time.Second}
	s.takeSession(&link{}, sess)
	now := lease.Now()
	s.proven(s.own(sess, 3), now, now)
	before := s.Lease()
	sess.Timeout = 6 * time.Second
	s.takeSession(&link{}, sess)
	if l := s.Lease(); before.Timeout != 20*time.Second || l.Timeout != sess.Timeout || !l.Hard().Before(before.Hard()) {
		t.Errorf("got %+v, before %+v", l, before)
	}
}
