package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

const (
	// recordLimit is a little more than an agent gives the other members.
	recordLimit = 5 * time.Second
	// recordWidth is the width of a timeline where there is no terminal.
	recordWidth = 110
	// maxNote is the longest line of a record that is read, in bytes.
	maxNote = 1 << 20
)

// telling is one run of failovers.
type telling struct {
	scope, format string
	files         []string
	extended      bool
}

func (a *app) failovers() *cobra.Command {
	o := &telling{format: string(show.Pretty)}
	c := &cobra.Command{
		Use: "failovers [ID]", Short: "Show the record of failovers, or draw the timeline of one (+)",
		Long: "Show what the members have noted of failovers, switchovers, crashes that were survived and requests that were refused, newest first.\n" +
			"With an ID, a trace id, the beginning of one, or the word last, draw that one: a bar for each phase, = until the new leader accepted writes, - after it, ? where the end is not known.\n" +
			"Any agent answers for all members; --from reads the files failovers.jsonl of the members' state directories instead, when no agent runs.",
		Args: atMost(1),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.recordedIDs(c, o, args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			return a.runFailovers(c.Context(), o, strings.Join(args, ""))
		},
	}
	c.Flags().StringVar(&o.scope, "cluster", "", "the `name` of the cluster")
	c.Flags().StringArrayVar(&o.files, "from", nil, "read the `file` failovers.jsonl of a member; may be repeated")
	c.Flags().BoolVarP(&o.extended, "extended", "e", false, "show rules, reasons and events of each phase")
	a.addFormat(c, &o.format, "f")
	a.addGroup(c)
	return c
}

func (a *app) runFailovers(ctx context.Context, o *telling, id string) error {
	stories, name, ask, err := a.told(ctx, o)
	if err != nil {
		return err
	}
	if id == "" {
		if len(stories) == 0 && show.Format(o.format) == show.Pretty {
			a.Println("Nothing has been recorded yet.")
			return nil
		}
		a.Print(show.Failovers(stories, name, show.Format(o.format)))
		return nil
	}
	story, err := choose(stories, id)
	if err == nil && ask != nil {
		err = ask(ctx, "/failovers/"+story.ID.String(), &story)
	}
	if err != nil {
		return err
	}
	switch f := show.Format(o.format); f {
	case show.Pretty, show.Topology:
		a.Print(show.Timeline(story, name, show.TimelineOptions{Width: a.width(), Extended: o.extended, Mark: func(s string) string { return a.Paint(console.Bold, s) }}))
	case show.TSV:
		return usageError{words("A timeline has no form tsv: take pretty, json or yaml")}
	default:
		return a.printStory(story, f)
	}
	return nil
}

func (a *app) width() int {
	if a.Terminal {
		return a.Columns
	}
	return recordWidth
}

// printStory writes the whole record of one incident for programs.
func (a *app) printStory(story record.Story, f show.Format) error {
	text, err := json.Marshal(story)
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	o, err := cluster.ParseObject(text)
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if f == show.JSON {
		a.Println(emit.JSON(o))
	} else {
		a.Print(emit.YAML(o) + "\n")
	}
	return nil
}

// asking reads a document of the member that answers for all.
type asking func(ctx context.Context, path string, into any) error

// told returns the list, from files or from an agent; ask is nil for files.
func (a *app) told(ctx context.Context, o *telling) (stories []record.Story, name string, ask asking, err error) {
	if len(o.files) > 0 {
		stories, err = fromFiles(o.files)
		return stories, strings.Join(append(clusterArg(o.scope), o.files...)[:1], ""), nil, err
	}
	k, view, err := a.open(ctx, clusterArg(o.scope))
	if err != nil {
		return nil, "", nil, err
	}
	var list struct {
		Failovers []record.Story
		Missing   []struct{ Member, Why string }
	}
	var reasons []error
	for _, m := range reachable(view) {
		ask := func(ctx context.Context, path string, into any) error { return a.recordOf(ctx, m, path, into) }
		if err := ask(ctx, "/failovers", &list); err != nil {
			reasons = append(reasons, err)
			continue
		}
		for _, p := range list.Missing {
			a.Warn("The notes of %s are missing: %s", p.Member, p.Why)
		}
		return list.Failovers, k.Name, ask, nil
	}
	return nil, "", nil, fmt.Errorf("no agent can tell the record: %w. With --from its files can be read", errors.Join(append(reasons, errors.New("no other member has told its REST address"))...))
}

func (a *app) recordOf(ctx context.Context, m cluster.Member, path string, into any) error {
	reply, err := a.order(ctx, http.MethodGet, m, path, nil, recordLimit)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", m.Name, err)
	case reply.Code == http.StatusNotFound:
		return fmt.Errorf("%s: %s", m.Name, reply.Text)
	case reply.Code != http.StatusOK:
		return fmt.Errorf("%s: it keeps no record (its answer is %d)", m.Name, reply.Code)
	}
	if err := json.Unmarshal([]byte(reply.Text), into); err != nil {
		return fmt.Errorf("%s: read the record: %w", m.Name, err)
	}
	return nil
}

// fromFiles merges the notes in files; torn lines are left out.
func fromFiles(files []string) ([]record.Story, error) {
	var entries []record.Entry
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, maxNote)
		for lines.Scan() {
			var e record.Entry
			if json.Unmarshal(lines.Bytes(), &e) == nil && e.Span != (record.SpanID{}) {
				entries = append(entries, e)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read the record %s: %w", name, err)
		}
	}
	return record.Merge(entries), nil
}

// choose finds the one incident that a word names. Incidents come newest
// first.
func choose(stories []record.Story, word string) (record.Story, error) {
	if word == "last" && len(stories) > 0 {
		return stories[0], nil
	}
	var found []record.Story
	for _, s := range stories {
		if strings.HasPrefix(s.ID.String(), word) || strings.HasPrefix(s.Trace.String(), word) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return record.Story{}, fmt.Errorf("nothing is recorded under %s: pgregentctl failovers lists what is", word)
	case 1:
		return found[0], nil
	}
	return record.Story{}, fmt.Errorf("%d records begin with %s: give more of the identifier", len(found), word)
}

// recordedIDs are proposed for completion.
func (a *app) recordedIDs(c *cobra.Command, o *telling, args []string) []string {
	if len(args) > 0 || a.begin(c, nil) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), completeLimit)
	defer cancel()
	stories, _, _, err := a.told(ctx, o)
	if err != nil {
		return nil
	}
	ids := []string{"last"}
	for _, s := range stories {
		ids = append(ids, s.ID.String()+"\t"+s.Begin.UTC().Format("2006-01-02 15:04:05")+" "+string(s.Cause))
	}
	return ids
}
