package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrAborted means that the person did not want to go on: end of input, or an
// interruption at a question.
var ErrAborted = errors.New("aborted")

// Console is where one run of the tool reads and writes.
type Console struct {
	Out, Err io.Writer
	// Terminal reports that Out is one; Columns and Lines are its size then.
	Terminal       bool
	Columns, Lines int
	// Color allows escape sequences for colours.
	Color bool
	in    *bufio.Reader
	file  any
}

// New makes a console. environ ("NAME=value") may forbid colours by NO_COLOR.
func New(in io.Reader, out, errs io.Writer, environ []string) *Console {
	c := &Console{Out: out, Err: errs, in: bufio.NewReader(in), file: in}
	c.Columns, c.Lines, c.Terminal = Size(out)
	c.Color = c.Terminal
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			c.Color = false
		}
	}
	return c
}

// Print writes text to the standard output.
func (c *Console) Print(text string) { _, _ = io.WriteString(c.Out, text) } // nobody is left to tell

// Println writes text and a line break.
func (c *Console) Println(text string) { c.Print(text + "\n") }

// Printf writes a line.
func (c *Console) Printf(format string, args ...any) { c.Println(fmt.Sprintf(format, args...)) }

// Warn writes a line to the standard error.
func (c *Console) Warn(format string, args ...any) { _, _ = fmt.Fprintf(c.Err, format+"\n", args...) }

// Ask asks a question and shows what an empty answer stands for.
func (c *Console) Ask(ctx context.Context, question, empty string) (string, error) {
	c.Print(question + " [" + empty + "]: ")
	answer, err := c.line(ctx)
	if answer == "" {
		answer = empty
	}
	return answer, err
}

// Require asks until the answer is not empty.
func (c *Console) Require(ctx context.Context, question string) (string, error) {
	for {
		c.Print(question + ": ")
		if answer, err := c.line(ctx); answer != "" || err != nil {
			return answer, err
		}
	}
}

// Confirm asks for a yes; an empty answer is no.
func (c *Console) Confirm(ctx context.Context, question string) (bool, error) {
	for {
		c.Print(question + " [y/N]: ")
		answer, err := c.line(ctx)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "", "n", "no":
			return false, nil
		}
		c.Println("Error: invalid input")
	}
}

// line reads one line, without surrounding blanks. The read itself cannot be
// interrupted: after an interruption it stays behind until the process ends.
func (c *Console) line(ctx context.Context) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := c.in.ReadString('\n')
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && r.text == "" {
			return "", ErrAborted
		}
		return strings.TrimSpace(r.text), nil
	case <-ctx.Done():
		return "", ErrAborted
	}
}

// Input is the rest of the standard input.
func (c *Console) Input() ([]byte, error) { return io.ReadAll(c.in) }

// Colour is a colour of a terminal.
type Colour int

// The colours, by their escape sequence.
const (
	Red    Colour = 31
	Green  Colour = 32
	Yellow Colour = 33
	Bold   Colour = 1
)

// Paint colours text where the terminal may.
func (c *Console) Paint(colour Colour, text string) string {
	if !c.Color {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}

// Clear empties the screen.
func (c *Console) Clear() {
	if c.Terminal {
		c.Print("\x1b[2J\x1b[H")
	}
}
