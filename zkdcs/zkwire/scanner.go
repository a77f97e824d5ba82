package zkwire

import (
	"encoding/binary"
	"fmt"
)

// prefixLen is how much of a frame is kept: enough for a connect response.
const prefixLen = 64

// scanner follows length-prefixed frames in a byte stream that comes in
// pieces of any size.
type scanner struct {
	// least and most bound the length of a frame's body, in bytes.
	least, most int

	head   [4]byte
	nHead  int
	size   int // of the current body
	left   int // bytes of the current body still to come
	prefix []byte
}

// feed takes the next piece of the stream and calls frame for every frame
// that it completes, with the first bytes of the body. frame may change the
// bounds for later frames. After an error the stream cannot be followed any
// further.
func (s *scanner) feed(b []byte, frame func(prefix []byte) error) error {
	for len(b) > 0 {
		if s.nHead < len(s.head) {
			n := copy(s.head[s.nHead:], b)
			s.nHead += n
			b = b[n:]
			if s.nHead < len(s.head) {
				return nil
			}
			if err := s.begin(); err != nil {
				return err
			}
		}
		n := min(s.left, len(b))
		s.prefix = append(s.prefix, b[:min(n, prefixLen-len(s.prefix))]...)
		s.left -= n
		b = b[n:]
		if s.left == 0 {
			s.nHead = 0
			if err := frame(s.prefix); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scanner) begin() error {
	size := binary.BigEndian.Uint32(s.head[:])
	if int64(size) < int64(s.least) || int64(size) > int64(s.most) {
		return fmt.Errorf("frame of %d bytes, want %d to %d", size, s.least, s.most)
	}
	s.size, s.left = int(size), int(size)
	s.prefix = s.prefix[:0]
	return nil
}
