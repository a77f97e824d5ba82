package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
)

// remembered is how many events a live view keeps.
const remembered = 200

func (a *app) watch() *cobra.Command {
	c := &cobra.Command{
		Use: "watch [CLUSTER_NAME]", Short: "Show a cluster live: members, work under way, events (+)",
		Long: "Show a cluster live, with the work under way and what has changed since. q ends it.\nWithout a terminal it prints one line for each change.",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.runWatch(c.Context(), args) },
	}
	a.addGroup(c)
	return c
}

// live is a running watch.
type live struct {
	a      *app
	k      *access.Cluster
	now    picture
	events []string
}

func (a *app) runWatch(ctx context.Context, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	w := &live{a: a, k: k, now: a.lookAround(ctx, view)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var keys <-chan byte
	if a.Terminal {
		restore := a.Raw()
		defer restore()
		a.Print("\x1b[?1049h\x1b[?25l")       // the other screen, without a cursor
		defer a.Print("\x1b[?25h\x1b[?1049l") // and back
		keys = a.Keys()
	} else {
		w.say("watching cluster %s", k.Name)
	}
	return w.run(ctx, keys)
}

// run draws after each change, and every second for what moves without one.
func (w *live) run(ctx context.Context, keys <-chan byte) error {
	looks := make(chan picture)
	go w.look(ctx, looks)
	for {
		w.draw()
		select {
		case key, open := <-keys:
			if !open {
				keys = nil
			}
			if key == 'q' || key == 'Q' || key == 3 || key == 4 {
				return nil
			}
		case next := <-looks:
			for _, e := range changes(w.now, next) {
				w.say("%s", e)
			}
			w.now = next
		case <-ctx.Done():
			return nil // the person has seen enough
		}
	}
}

// look delivers a picture after each change, and every second.
func (w *live) look(ctx context.Context, looks chan<- picture) {
	for ctx.Err() == nil {
		select {
		case <-w.k.Changed():
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
		next := picture{}
		if view, err := w.k.Read(ctx); err == nil {
			next = w.a.lookAround(ctx, view)
		}
		select {
		case looks <- next:
		case <-ctx.Done():
		}
	}
}

// say notes an event, and prints it where there is no screen.
func (w *live) say(format string, args ...any) {
	line := w.a.now().Format(time.TimeOnly) + " " + fmt.Sprintf(format, args...)
	w.events = append(w.events, line)
	if len(w.events) > remembered {
		w.events = w.events[1:]
	}
	if !w.a.Terminal {
		w.a.Println(line)
	}
}

func (w *live) draw() {
	if !w.a.Terminal {
		return
	}
	if columns, lines, ok := console.Size(w.a.Out); ok {
		w.a.Columns, w.a.Lines = columns, lines
	}
	text := w.frame()
	w.a.Print("\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J")
}

// frame is the screen: the members, what they do, what happened.
func (w *live) frame() string {
	if w.now.view == nil {
		return fmt.Sprintf("Cluster %s at %s: ZooKeeper does not answer\n", w.k.Name, w.a.now().Format(time.TimeOnly)) + w.tail(w.a.Lines-2)
	}
	problems := w.now.problems()
	var lines []string
	lines = append(lines, fmt.Sprintf("Cluster %s at %s: %s   (q: quit)", w.k.Name, w.a.now().Format(time.TimeOnly), w.a.verdict(problems)))
	table := show.Members(w.now.view, w.k.Name, show.Topology, w.a.look(w.k, false))
	for l := range strings.SplitSeq(strings.TrimSuffix(table, "\n"), "\n") {
		lines = append(lines, cut(l, w.a.Columns))
	}
	for _, m := range w.now.view.Members {
		if work := underWay(m, w.now.docs[m.Name]); work != "" {
			lines = append(lines, cut("  "+m.Name+": "+work, w.a.Columns))
		}
	}
	for _, f := range problems {
		lines = append(lines, cut(fmt.Sprintf("  %-7s %s", f.grade, f.what), w.a.Columns))
	}
	room := w.a.Lines - 1
	if len(lines) > room {
		lines = lines[:room]
	}
	return strings.Join(lines, "\n") + "\n" + w.tail(room-len(lines)-1)
}

// tail are the newest events, as many as there is room for.
func (w *live) tail(room int) string {
	if room < 1 {
		return ""
	}
	list := w.events[max(0, len(w.events)-room):]
	var b strings.Builder
	b.WriteString("Events\n")
	for _, e := range list {
		b.WriteString(cut("  "+e, w.a.Columns) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// underWay says what a member is busy with; "" if it just runs.
func underWay(m cluster.Member, doc *cluster.Object) string {
	if doc == nil {
		return ""
	}
	state, job := text(doc.Get("state")), text(doc.Object("pgregent").Get("job"))
	if state == string(m.Data.State) && state == string(cluster.StateRunning) && job == "" {
		return ""
	}
	return doing(doc, nil)
}
