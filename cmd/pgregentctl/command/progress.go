package command

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/core/cluster"
)

// progressEvery is how often a line about work under way is drawn anew.
const progressEvery = 500 * time.Millisecond

// follow draws, on a terminal, one line about what a member does until the
// returned function is called. Scripts see nothing of it.
func (a *app) follow(ctx context.Context, m cluster.Member, verb string) (end func()) {
	columns, _, terminal := console.Size(a.Err)
	if !terminal {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		begun := a.now()
		for n := 0; ; n++ {
			select {
			case <-time.After(progressEvery):
			case <-ctx.Done():
				_, _ = fmt.Fprint(a.Err, "\r\x1b[K")
				return
			}
			doc, err := a.statusOf(ctx, m)
			if ctx.Err() != nil {
				continue
			}
			line := fmt.Sprintf("%c %s %s, %ds: %s", `|/-\`[n%4], m.Name, verb, int(a.now().Sub(begun).Seconds()), doing(doc, err))
			_, _ = fmt.Fprint(a.Err, "\r\x1b[K"+cut(line, columns-1))
		}
	})
	var once sync.Once
	return func() { once.Do(func() { cancel(); done.Wait() }) }
}

// doing says what a status document tells of the work under way.
func doing(doc *cluster.Object, err error) string {
	if err != nil {
		return "does not answer"
	}
	words := []string{text(doc.Get("state"))}
	own := doc.Object("pgregent")
	if job := text(own.Get("job")); job != "" && job != words[0] {
		words = append(words, job)
	}
	if bar := bar(own); bar != "" {
		words = append(words, bar)
	}
	if xlog := doc.Object("xlog"); xlog != nil {
		if at, ok := cluster.ParseInt(xlog.Get("replayed_location")); ok {
			words = append(words, "replayed "+cluster.LSN(at).String())
		}
	}
	return strings.Join(words, ", ")
}

// barWidth is the number of cells of a progress bar.
const barWidth = 20

// bar draws how far a copy is, where the agent tells; "" if it does not.
func bar(own *cluster.Object) string {
	p := own.Object("build")
	done, ok := cluster.ParseInt(p.Get("bytes_done"))
	total, known := cluster.ParseInt(p.Get("bytes_total"))
	if !ok {
		return ""
	}
	if !known || total <= 0 {
		return bytesText(done)
	}
	full := int(min(done, total) * barWidth / total)
	return fmt.Sprintf("[%s%s] %d%% of %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), min(done, total)*100/total, bytesText(total))
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// cut shortens a line to so many characters.
func cut(s string, width int) string {
	if r := []rune(s); len(r) > width && width > 0 {
		return string(r[:width])
	}
	return s
}
