package plugins

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// maxLine is the longest line of a plugin that is looked at; the rest is
// dropped.
const maxLine = 8 << 10

// maxFlood and maxFloodLines are how many bytes and lines a plugin may write in
// a second before the rest of that second is dropped.
const (
	maxFlood      = 256 << 10
	maxFloodLines = 1000
)

// readLine returns the next line, cut at maxLine. It needs no more memory than
// that for a line without end.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if room := maxLine - len(line); room > 0 {
			line = append(line, part[:min(room, len(part))]...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return trimEnd(line), err
		}
	}
}

func trimEnd(line []byte) []byte { return []byte(strings.TrimRight(string(line), "\r\n")) }

// safeLine makes a line harmless for go-plugin's reader of logs, which panics
// on a JSON object whose @message, @level or @timestamp is no text.
func safeLine(line []byte) []byte {
	if len(line) == 0 || line[0] != '{' {
		return []byte(printable(line))
	}
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		return []byte("'" + printable(line)) // cut short, or never was JSON
	}
	for _, key := range []string{"@message", "@level", "@timestamp"} {
		if _, ok := fields[key].(string); !ok {
			return []byte("'" + printable(line))
		}
	}
	return line
}

// printable keeps control characters of a plugin out of the agent's log.
func printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(string(line), "?"))
}

// firstLine passes on the first line of standard output, the handshake, and
// swallows the rest: go-plugin stops reading at a line that is too long for it,
// and a plugin that prints would block for ever.
func firstLine(in io.Reader, out *io.PipeWriter) {
	r := bufio.NewReaderSize(in, maxLine)
	line, err := readLine(r)
	if err == nil || len(line) > 0 {
		_, err = out.Write(append([]byte(printable(line)), '\n'))
	}
	_, _ = io.Copy(io.Discard, r)
	_ = out.CloseWithError(endOf(err))
}

func endOf(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}
