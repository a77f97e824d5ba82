package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/config"
)

// Refusal is a parameter that is not given to the server as it is configured.
type Refusal struct {
	Name string
	// Reason is one sentence: what is wrong and what is used instead.
	Reason string
}

// CheckParameters asks the installed server which parameters of a
// configuration it would not take as they are, without a data directory.
func CheckParameters(ctx context.Context, cfg config.Postgres) ([]Refusal, error) {
	s := New(Options{Config: cfg})
	major, err := majorVersion(cfg.DataDir)
	if err != nil {
		if major, err = s.binaryMajor(ctx); err != nil {
			return nil, err
		}
	}
	if err := supported(major); err != nil {
		return nil, err
	}
	known, err := s.knownParameters(ctx)
	if err != nil {
		return nil, err
	}
	_, refused := usable(slices.Concat(cfg.Controlled, cfg.Parameters), known, major)
	kept, _ := usable(cfg.Parameters, known, major)
	more, err := s.refusals(ctx, slices.Concat(kept, cfg.RecoveryConf))
	return append(refused, more...), err
}

// sentences are the reasons alone.
func sentences(list []Refusal) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.Reason
	}
	return out
}

var versionNumber = regexp.MustCompile(`\) (\d+)`)

// binaryMajor is the major version of the installed server.
func (s *Server) binaryMajor(ctx context.Context) (int, error) {
	out, err := s.tool(ctx, tool{name: "postgres", args: []string{"--version"}})
	if err != nil {
		return 0, fmt.Errorf("ask for the server's version: %w", err)
	}
	m := versionNumber.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("ask for the server's version: %q has none", strings.TrimSpace(out))
	}
	return strconv.Atoi(m[1])
}

// refusalCache is the answer for one list of parameters.
type refusalCache struct {
	binary string
	list   []config.Parameter
	answer []Refusal
}

// refusals asks the server binary which values it would refuse: a server with
// one of them in its file does not start. Only the server knows the words of
// its enumerations, its time zones and its units.
func (s *Server) refusals(ctx context.Context, list []config.Parameter) ([]Refusal, error) {
	binary := s.binary("postgres")
	s.mu.Lock()
	c := s.refused
	s.mu.Unlock()
	if c.binary == binary && slices.Equal(c.list, list) {
		return c.answer, nil
	}
	answer, err := s.askRefusals(ctx, list)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.refused = refusalCache{binary, slices.Clone(list), answer}
	s.mu.Unlock()
	return answer, nil
}

func (s *Server) askRefusals(ctx context.Context, list []config.Parameter) ([]Refusal, error) {
	dir, err := os.MkdirTemp("", "pgregent-check-")
	if err != nil {
		return nil, fmt.Errorf("check parameters: %w", err)
	}
	defer os.RemoveAll(dir)
	rest := slices.Clone(list)
	var out []Refusal
	for {
		said, err := s.tryParameters(ctx, dir, rest)
		if err == nil || ctx.Err() != nil {
			return out, ctx.Err()
		}
		refused := parseRefusals(said, rest)
		if len(refused) == 0 {
			if refused = s.oneByOne(ctx, dir, rest); len(refused) == 0 {
				return out, fmt.Errorf("check parameters: %w", err)
			}
		}
		out = append(out, refused...)
		rest = slices.DeleteFunc(rest, func(p config.Parameter) bool { return refuses(refused, p.Name) })
	}
}

// oneByOne finds the parameters that the server refuses without naming them.
func (s *Server) oneByOne(ctx context.Context, dir string, list []config.Parameter) []Refusal {
	var out []Refusal
	for _, p := range list {
		if said, err := s.tryParameters(ctx, dir, []config.Parameter{p}); err != nil {
			out = append(out, Refusal{p.Name, fmt.Sprintf("parameter %s: %q is refused by the server (%s); it is not used", p.Name, p.Value, serverReason(said))})
		}
	}
	return out
}

// tryParameters has the server read a file with these parameters, and returns
// what it said.
func (s *Server) tryParameters(ctx context.Context, dir string, list []config.Parameter) (string, error) {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "%s = %s\n", p.Name, quoteValue(p.Value))
	}
	file := filepath.Join(dir, "check.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return "", fmt.Errorf("check parameters: %w", err)
	}
	// -C must come first: then the server also runs as root.
	return s.toolOutput(ctx, tool{name: "postgres", args: []string{"-C", "data_directory", "-D", dir, "--config-file=" + file}})
}

var (
	namedParameter = regexp.MustCompile(`parameter "([^"]+)"`)
	severity       = regexp.MustCompile(`(?:^|\s)(LOG|HINT|DETAIL|ERROR|WARNING|FATAL|CONTEXT):\s+(.*)$`)
)

// parseRefusals reads the server's messages: a LOG line that names a
// parameter of list, and the HINT or DETAIL after it.
func parseRefusals(said string, list []config.Parameter) []Refusal {
	var out []Refusal
	current := -1
	for line := range strings.Lines(said) {
		m := severity.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if m[1] == "HINT" || m[1] == "DETAIL" {
			if current >= 0 {
				out[current].Reason = strings.Replace(out[current].Reason, "; it is", ": "+strings.TrimSuffix(m[2], ".")+"; it is", 1)
			}
			continue
		}
		current = -1
		name := namedParameter.FindStringSubmatch(m[2])
		if name == nil {
			continue
		}
		i := slices.IndexFunc(list, func(p config.Parameter) bool { return strings.EqualFold(p.Name, name[1]) })
		if i < 0 || refuses(out, list[i].Name) {
			continue
		}
		out = append(out, Refusal{list[i].Name, fmt.Sprintf("parameter %s: %q is refused by the server; it is not used", list[i].Name, list[i].Value)})
		current = len(out) - 1
	}
	return out
}

// serverReason is the first message of the server's output.
func serverReason(said string) string {
	for line := range strings.Lines(said) {
		if m := severity.FindStringSubmatch(strings.TrimSpace(line)); m != nil && !strings.HasPrefix(m[2], "skipping missing") {
			return m[2]
		}
	}
	return tail(said)
}

func refuses(list []Refusal, name string) bool {
	return slices.ContainsFunc(list, func(r Refusal) bool { return strings.EqualFold(r.Name, name) })
}

// accepted leaves out what the server would refuse, of the parameters and of
// the recovery settings. If it cannot be asked, all are taken: the start tells.
func (s *Server) accepted(ctx context.Context, params []config.Parameter, cfg config.Postgres) ([]config.Parameter, config.Postgres, []Refusal) {
	refused, err := s.refusals(ctx, slices.Concat(params, cfg.RecoveryConf))
	if err != nil {
		s.log.Warn("parameters not checked", slog.Any("err", err))
		return params, cfg, nil
	}
	isRefused := func(p config.Parameter) bool { return refuses(refused, p.Name) }
	params = slices.DeleteFunc(slices.Clone(params), isRefused)
	cfg.RecoveryConf = slices.DeleteFunc(slices.Clone(cfg.RecoveryConf), isRefused)
	return params, cfg, refused
}
