package observability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/pgregent/pgregent/core/record"
)

const (
	// flightName is the file in state_dir: one Entry a line, as JSON.
	flightName = "failovers.jsonl"
	// maxFlight is the size from which the file is made small again, in bytes.
	maxFlight = 4 << 20
	// maxIncidents is how many are kept then, the newest.
	maxIncidents = 100
	// maxLine is the longest line that is read.
	maxLine = 1 << 20
)

// Flight is the record of this member in a file: it survives the agent and
// the host. A line that was not written to its end is left out when the file
// is read, as is anything else that is no Entry.
type Flight struct {
	path string
	max  int64 // bytes

	mu      sync.Mutex
	file    *os.File
	size    int64
	entries map[record.SpanID]record.Entry
}

// OpenFlight reads the record in dir, or begins one.
func OpenFlight(dir string) (*Flight, error) {
	f := &Flight{path: filepath.Join(dir, flightName), max: maxFlight, entries: map[record.SpanID]record.Entry{}}
	text, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read flight record: %w", err)
	}
	f.read(text)
	if err := f.open(); err != nil {
		return nil, err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' { // torn: the next entry begins a line
		if err := f.write([]byte("\n")); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

func (f *Flight) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open flight record: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open flight record: %w", err), file.Close())
	}
	f.file, f.size = file, info.Size()
	return nil
}

func (f *Flight) read(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e record.Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Span != (record.SpanID{}) {
			f.entries[e.Span] = e
		}
	}
}

// Add writes an entry and returns when it is on the disk.
func (f *Flight) Add(e record.Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode entry of flight record: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries[e.Span] = e
	if f.file == nil {
		return fmt.Errorf("write flight record: %w", os.ErrClosed)
	}
	if f.size+int64(len(line)) > f.max {
		return f.shrink()
	}
	return f.write(append(line, '\n'))
}

func (f *Flight) write(line []byte) error {
	n, err := f.file.Write(line)
	f.size += int64(n)
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write flight record: %w", err)
	}
	return nil
}

// shrink replaces the file by one with the last word of each phase of the
// newest incidents: as many as fill half of it at most.
func (f *Flight) shrink() error {
	all := make([]record.Entry, 0, len(f.entries))
	for _, e := range f.entries {
		all = append(all, e)
	}
	var text bytes.Buffer
	kept := map[record.SpanID]record.Entry{}
	for i, s := range record.Merge(all) { // the newest first
		part, err := encodeLines(s.Phases)
		if err != nil {
			return err
		}
		if i >= maxIncidents || i > 0 && int64(text.Len()+len(part)) > f.max/2 {
			break
		}
		text.Write(part)
		for _, e := range s.Phases {
			kept[e.Span] = e
		}
	}
	if err := renameio.WriteFile(f.path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("shrink flight record: %w", err)
	}
	f.entries = kept
	return errors.Join(f.file.Close(), f.open())
}

func encodeLines(entries []record.Entry) ([]byte, error) {
	var text []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode entry of flight record: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}

// Entries are all that are kept, oldest first.
func (f *Flight) Entries() []record.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]record.Entry, 0, len(f.entries))
	for _, e := range f.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b record.Entry) int {
		if c := a.Begin.Compare(b.Begin); c != 0 {
			return c
		}
		return slices.Compare(a.Span[:], b.Span[:])
	})
	return out
}

// Close ends writing.
func (f *Flight) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
