package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page is one manual page.
type Page struct {
	// Name is the file's, as in pgregentctl-list.1.
	Name string
	Text string
}

// Pages returns the page of c and those of its commands. date and version
// stand in the footer.
func Pages(c *cobra.Command, date, version string) []Page {
	list := []Page{page(c, date, version)}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			list = append(list, Pages(sub, date, version)...)
		}
	}
	return list
}

// dashed is a command's path as the name of a page.
func dashed(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func page(c *cobra.Command, date, version string) Page {
	var b strings.Builder
	name := dashed(c)
	fmt.Fprintf(&b, ".TH %s 1 %s %s %s\n", quote(strings.ToUpper(name)), quote(date), quote(version), quote("pgregent manual"))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(name), escape(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", escape(synopsis(c)))
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", paragraphs(long))
	options(&b, c.NonInheritedFlags())
	commands(&b, c)
	if !c.HasParent() {
		b.WriteString(rootSections)
	} else {
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1)\n", escape(dashed(c.Parent())))
	}
	return Page{Name: name + ".1", Text: b.String()}
}

func synopsis(c *cobra.Command) string {
	use := c.Use
	if c.HasParent() {
		use = c.Parent().CommandPath() + " " + use
	} else {
		use += " [OPTIONS] COMMAND [ARGS]..."
	}
	return use
}

func options(b *strings.Builder, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString(".SH OPTIONS\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "\\fB\\-\\-" + escape(f.Name) + "\\fR"
		if f.Shorthand != "" {
			name = "\\fB\\-" + f.Shorthand + "\\fR, " + name
		}
		if kind != "" {
			name += " \\fI" + escape(kind) + "\\fR"
		}
		fmt.Fprintf(b, ".TP\n%s\n%s\n", name, escape(sentence(usage)))
	})
}

func commands(b *strings.Builder, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(b, ".TP\n.BR %s (1)\n%s\n", escape(dashed(sub)), escape(sentence(sub.Short)))
		}
	}
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

func paragraphs(s string) string {
	return strings.ReplaceAll(escape(s), "\n", "\n.PP\n")
}

// escape writes text that troff would take for something else.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

func quote(s string) string { return `"` + strings.ReplaceAll(escape(s), `"`, `""`) + `"` }

// rootSections are on the page of the whole tool.
const rootSections = `.SH ENVIRONMENT
.TP
.B PGREGENTCTL_CONFIG_FILE, PATRONICTL_CONFIG_FILE
The configuration file, if none is given.
.TP
.B DCS_URL
The address of the store, if none is given.
.TP
.B PGREGENTCTL_COMPAT
The release of patronictl whose columns and words are printed.
.TP
.B PATRONI_*, PGREGENT_*
Keys of the configuration file, as for the agent.
.TP
.B NO_COLOR
No colours.
.TP
.B EDITOR
What edit\-config starts.
.SH FILES
.TP
.I ~/.config/pgregent/pgregentctl.yaml, ~/.config/patroni/patronictl.yaml
The configuration, if none is named. The file of an agent serves as well.
.SH EXIT STATUS
.TP
.B 0
Done, and also: an agent has refused the order and said why.
.TP
.B 1
An error, or the person did not want to go on.
.TP
.B 2
A mistake in the command line.
.TP
.B 3
With \-\-strict: an agent has refused the order.
`
