package manual_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/cmd/pgregentctl/command"
	"github.com/pgregent/pgregent/cmd/pgregentctl/manual"
)

func TestPages(t *testing.T) {
	pages := map[string]string{}
	for _, p := range manual.Pages(command.Root("1.2.3"), "2026-01-01", "1.2.3") {
		pages[p.Name] = p.Text
	}
	for name, want := range map[string]string{
		"pgregentctl.1":               ".SH EXIT STATUS",
		"pgregentctl-list.1":          `\fB\-f\fR, \fB\-\-format\fR`,
		"pgregentctl-switchover.1":    `\fB\-\-candidate\fR \fIname\fR`,
		"pgregentctl-migrate-check.1": ".SH SEE ALSO",
	} {
		if !strings.Contains(pages[name], want) {
			t.Errorf("%s: no %q in\n%s", name, want, pages[name])
		}
	}
}

// groff, where it is installed, understands every page.
func TestPagesAreTroff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed")
	}
	for _, p := range manual.Pages(command.Root("1.2.3"), "2026-01-01", "1.2.3") {
		cmd := exec.Command(groff, "-man", "-Tascii", "-wall", "-z")
		cmd.Stdin = strings.NewReader(p.Text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", p.Name, err, out)
		}
	}
}
