package zkwire

import (
	"encoding/binary"
	"errors"
	"time"
)

// Session is what it takes to attach to a ZooKeeper session.
type Session struct {
	ID       int64
	Password [16]byte
	// Timeout is the granted session timeout.
	Timeout time.Duration
}

// Offsets in the connect request, its length prefix included: length int32,
// protocol version int32, last zxid int64, timeout int32 (milliseconds),
// session id int64, password length int32, password. A read-only byte may
// follow.
const (
	requestTimeout  = 16
	requestID       = 20
	requestPassLen  = 28
	requestPassword = 32
	requestLen      = 48
)

// patchRequest returns the connect request b with session s in it.
func patchRequest(b []byte, s Session) ([]byte, error) {
	if len(b) < requestLen || int(binary.BigEndian.Uint32(b)) != len(b)-4 ||
		binary.BigEndian.Uint32(b[requestPassLen:]) != uint32(len(s.Password)) {
		return nil, errors.New("unexpected connect request")
	}
	out := append([]byte(nil), b...)
	binary.BigEndian.PutUint32(out[requestTimeout:], uint32(s.Timeout/time.Millisecond))
	binary.BigEndian.PutUint64(out[requestID:], uint64(s.ID))
	copy(out[requestPassword:], s.Password[:])
	return out, nil
}

// Bounds of the body of a connect response, in bytes; servers since 3.4
// append a read-only byte.
const (
	responseLeast = 36
	responseMost  = 256
)

// parseResponse reads the body of a connect response: protocol version
// int32, timeout int32 (milliseconds), session id int64, password. An id of 0
// means that the session asked for has expired.
func parseResponse(b []byte) (Session, error) {
	var s Session
	if len(b) < responseLeast || binary.BigEndian.Uint32(b[16:]) != uint32(len(s.Password)) {
		return s, errors.New("unexpected connect response")
	}
	ms := int32(binary.BigEndian.Uint32(b[4:]))
	s.ID = int64(binary.BigEndian.Uint64(b[8:]))
	if s.ID != 0 && ms <= 0 {
		return s, errors.New("connect response without a session timeout")
	}
	s.Timeout = time.Duration(ms) * time.Millisecond
	copy(s.Password[:], b[20:])
	return s, nil
}
