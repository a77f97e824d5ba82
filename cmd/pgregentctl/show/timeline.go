package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/table"
	"github.com/pgregent/pgregent/core/record"
)

// The parts of a drawn timeline.
const (
	// narrowest is the least room for bars; below it names would be cut.
	narrowest = 20
	// minShare is where the axis is stretched to the last phase's end only if
	// that leaves the incident itself this share of the room at least.
	minShare = 0.5
)

// TimelineOptions say how a timeline is drawn.
type TimelineOptions struct {
	// Width is the number of characters of a line.
	Width int
	// Extended adds rules, reasons and events.
	Extended bool
	// Mark emphasises the longest phase; nil: nothing does.
	Mark func(string) string
}

// Timeline draws one recorded incident: what is known of it, and a bar for
// each phase on an axis that begins with the cause.
func Timeline(s record.Story, scope string, o TimelineOptions) string {
	var b strings.Builder
	summary(&b, s, scope)
	d := newDrawing(s, o)
	d.axis(&b)
	for _, e := range s.Phases {
		if e.Phase != record.Change {
			d.row(&b, e)
		}
	}
	if len(s.Gaps) > 0 {
		b.WriteString("Not known\n")
	}
	for _, g := range s.Gaps {
		at := ""
		if !g.Begin.IsZero() {
			at = fmt.Sprintf("at +%s: ", seconds(g.Begin.Sub(s.Begin)))
		}
		if g.Seconds > 0 {
			at += fmt.Sprintf("for %.3f s: ", g.Seconds)
		}
		fmt.Fprintf(&b, "  %s%s\n", at, g.Why)
	}
	return b.String()
}

func summary(b *strings.Builder, s record.Story, scope string) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(b, "  %-9s %s\n", label, text)
		}
	}
	kind := string(s.Kind)
	if kind == "" {
		kind = "incident"
	}
	fmt.Fprintf(b, "%s of cluster %s\n", strings.ToUpper(kind[:1])+kind[1:], scope)
	line("id", s.ID.String())
	if s.Trace != s.ID {
		line("trace", s.Trace.String())
	}
	line("cause", causeOf(s))
	line("reason", s.Reason)
	switch {
	case s.New == "" || s.New == s.Old:
		line("leader", s.Old)
	case s.Old == "":
		line("leader", "-> "+s.New)
	default:
		line("leader", s.Old+" -> "+s.New)
	}
	line("begin", s.Begin.UTC().Format("2006-01-02 15:04:05.000 MST"))
	took := seconds(s.End.Sub(s.Begin))
	if s.Longest != "" {
		took += ", longest: " + s.Longest
	}
	line("took", took)
}

// drawing is a timeline with its measures.
type drawing struct {
	story        record.Story
	options      TimelineOptions
	phase, which int // widths of the columns
	bars         int
	scale        time.Duration // of all bars together
}

// newDrawing finds the scale: up to the last phase that ends, or, where that
// is much later than the incident's end, up to twice the incident.
func newDrawing(s record.Story, o TimelineOptions) *drawing {
	d := &drawing{story: s, options: o}
	end := s.End
	for _, e := range s.Phases {
		d.phase, d.which = max(d.phase, table.Width(string(e.Phase))), max(d.which, table.Width(e.Member))
		if e.End.After(end) {
			end = e.End
		}
	}
	d.scale = end.Sub(s.Begin)
	if whole := s.End.Sub(s.Begin); whole > 0 && float64(whole) < minShare*float64(d.scale) {
		d.scale = time.Duration(float64(whole) / minShare)
	}
	d.scale = max(d.scale, time.Millisecond)
	d.bars = max(o.Width-d.phase-d.which-len("      123.456 s  ||"), narrowest)
	return d
}

// at is the column of an instant, from 0 to the number of columns.
func (d *drawing) at(t time.Time) int {
	n := int(float64(t.Sub(d.story.Begin)) / float64(d.scale) * float64(d.bars))
	return min(max(n, 0), d.bars)
}

func (d *drawing) axis(b *strings.Builder) {
	end := seconds(d.scale)
	fmt.Fprintf(b, "\n  %-*s  %-*s  %9s  %s%*s\n", d.phase, "phase", d.which, "on", "took", "0", d.bars+1, end)
}

// row draws one phase: = until the new leader accepts writes, - after that,
// > where the end lies outside, ? where nobody has told it.
func (d *drawing) row(b *strings.Builder, e record.Entry) {
	from, to := d.at(e.Begin), d.at(e.End)
	took := seconds(e.Took())
	sign := "="
	switch {
	case e.End.IsZero():
		from, to, took, sign = min(from, d.bars-1), d.at(d.story.End), "no end", "?"
	case !e.Begin.Before(d.story.End):
		sign = "-"
	}
	from = min(from, d.bars-1)
	to = max(to, from+1)
	cells := strings.Repeat(" ", from) + strings.Repeat(sign, to-from) + strings.Repeat(" ", d.bars-to)
	if e.End.Sub(d.story.Begin) > d.scale {
		cells = cells[:d.bars-1] + ">"
	}
	text := fmt.Sprintf("  %-*s  %-*s  %9s  |%s|", d.phase, string(e.Phase), d.which, e.Member, took, cells)
	if d.options.Mark != nil && string(e.Phase)+" on "+e.Member == d.story.Longest {
		text = d.options.Mark(text)
	}
	b.WriteString(text + "\n")
	if e.Err != "" {
		fmt.Fprintf(b, "      failed: %s\n", e.Err)
	}
	if d.options.Extended {
		d.details(b, e)
	}
}

// details are the rule with its reason, what is known of the server, and the
// events of a phase.
func (d *drawing) details(b *strings.Builder, e record.Entry) {
	if e.Rule != "" || e.Reason != "" {
		fmt.Fprintf(b, "      %s: %s\n", e.Rule, e.Reason)
	}
	var facts []string
	if e.LSN != 0 {
		facts = append(facts, "LSN "+e.LSN.String())
	}
	if e.Timeline != 0 {
		facts = append(facts, fmt.Sprintf("timeline %d", e.Timeline))
	}
	if facts != nil {
		fmt.Fprintf(b, "      %s\n", strings.Join(facts, ", "))
	}
	for _, v := range e.Events {
		words := []string{v.Name}
		for _, key := range slices.Sorted(maps.Keys(v.Facts)) {
			words = append(words, key+"="+v.Facts[key])
		}
		fmt.Fprintf(b, "      +%s %s\n", seconds(v.At.Sub(d.story.Begin)), strings.Join(words, " "))
	}
	if e.Left > 0 {
		fmt.Fprintf(b, "      and %d more events\n", e.Left)
	}
}
