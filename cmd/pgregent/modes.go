package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres"
)

// modes are the ways to run that end at once instead of starting the agent.
type modes struct {
	validate, ignorePort, show bool
	sample, generate           bool
	dsn                        string
}

func (m *modes) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&m.validate, "validate-config", false, "check the configuration and this host, and exit")
	f.BoolVarP(&m.ignorePort, "ignore-listen-port", "i", false, "with --validate-config: a listen port in use is no error")
	f.BoolVarP(&m.show, "print", "p", false, "with --validate-config: print the valid configuration, secrets masked")
	f.BoolVar(&m.sample, "generate-sample-config", false, "write a sample configuration for this host to CONFIG.yml or standard output, and exit")
	f.BoolVar(&m.generate, "generate-config", false, "write a configuration for the PostgreSQL that runs here to CONFIG.yml or standard output, and exit")
	f.StringVar(&m.dsn, "dsn", "", "with --generate-config: connection string of a superuser; default: the PG* variables")
}

func (m *modes) any() bool { return m.validate || m.sample || m.generate }

func (m *modes) run(cmd *cobra.Command, path string) error {
	count := 0
	for _, on := range []bool{m.validate, m.sample, m.generate} {
		if on {
			count++
		}
	}
	switch {
	case count > 1:
		return usageError{errors.New("--validate-config, --generate-sample-config and --generate-config exclude each other")}
	case m.validate:
		return validateConfig(cmd.OutOrStdout(), path, m.ignorePort, m.show)
	case m.sample:
		return m.writeSample(cmd, path)
	}
	return m.writeRunning(cmd, path)
}

func (m *modes) writeSample(cmd *cobra.Command, path string) error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	h.BinDir = config.ProgramDir(os.Environ())
	if h.Major, err = installedMajor(cmd.Context(), h.BinDir); err != nil {
		return fmt.Errorf("get the version of postgres (put it on PATH, or set PATRONI_POSTGRESQL_BIN_DIR): %w", err)
	}
	text, findings := config.GenerateSample(h, os.Environ())
	return writeGenerated(cmd, path, text, findings)
}

func (m *modes) writeRunning(cmd *cobra.Command, path string) error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	r, major, err := postgres.Inspect(cmd.Context(), m.dsn)
	if err != nil {
		return err
	}
	h.Major = major
	text, findings := config.GenerateFrom(r, h, os.Environ())
	return writeGenerated(cmd, path, text, findings)
}

// writeGenerated writes the file for its owner alone: there are passwords in
// it.
func writeGenerated(cmd *cobra.Command, path string, text []byte, findings []config.Finding) error {
	for _, f := range findings {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", f.Severity, f)
	}
	if path == "" {
		_, err := cmd.OutOrStdout().Write(text)
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists already; remove it first, or write to another file", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := renameio.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func thisHost() (config.Host, error) {
	name, err := os.Hostname()
	if err != nil {
		return config.Host{}, fmt.Errorf("ask for the host's name: %w", err)
	}
	return config.Host{Name: name, Address: firstAddress(name)}, nil
}

// firstAddress is the first address of this host that others can use; its
// name if there is none.
func firstAddress(name string) string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return name
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	return name
}

var majorNumber = regexp.MustCompile(`\) (\d+)`)

// versionLimit bounds "postgres --version".
const versionLimit = 10 * time.Second

func installedMajor(ctx context.Context, binDir string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(binDir, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	m := majorNumber.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%q has no version", out)
	}
	return strconv.Atoi(string(m[1]))
}

// checkLimit bounds asking the installed server about the parameters.
const checkLimit = 20 * time.Second

// checkParameters has the installed server look at the parameters.
func checkParameters(local *config.Local) []config.Finding {
	ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
	defer cancel()
	pg, warnings := local.Postgres(knownDynamic(local).Object)
	var findings []config.Finding
	for _, w := range warnings {
		findings = append(findings, config.Finding{Severity: config.Warning, Message: w})
	}
	refused, err := postgres.CheckParameters(ctx, pg)
	if err != nil {
		return append(findings, config.Finding{Severity: config.Warning, Key: "postgresql.parameters", Message: "not checked: " + err.Error()})
	}
	for _, r := range refused {
		findings = append(findings, local.ParameterFinding(r.Name, r.Reason))
	}
	return findings
}
