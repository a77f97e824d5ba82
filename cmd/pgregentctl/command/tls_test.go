package command

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An agent with a certificate is called if the certificate can be verified, or
// if the person does not care.
func TestTLS(t *testing.T) {
	l := newLab(t)
	agent := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "reload scheduled")
	}))
	defer agent.Close()
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: agent.Certificate().Raw})
	if err := os.WriteFile(authorities, text, 0o600); err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config string
		args   []string
		want   string
		code   int
	}{
		"unknown authority":  {string(plain), nil, "certificate signed by unknown authority", exitFailed},
		"anything goes":      {string(plain), []string{"-k"}, "Reload request received", exitOK},
		"insecure by file":   {strings.Replace(string(plain), "ctl: {", "ctl: {insecure: true, ", 1), nil, "Reload request received", exitOK},
		"known authority":    {strings.Replace(string(plain), "ctl: {", "ctl: {cacert: "+authorities+", ", 1), nil, "Reload request received", exitOK},
		"unreadable file":    {strings.Replace(string(plain), "ctl: {", "ctl: {cacert: /nonexistent, ", 1), nil, "read the files of the ctl section", exitFailed},
		"no key in the file": {strings.Replace(string(plain), "ctl: {", "ctl: {certfile: "+authorities+", ", 1), nil, "read the files of the ctl section", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			l.prepare(try{})
			l.put("/service/plain/members/n2", strings.ReplaceAll(seeds["plain/members/n2"], "API", agent.URL+"/patroni"))
			if err := os.WriteFile(l.config, []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			out, errs, code := l.run(t.Context(), "", append(c.args, "reload", "plain", "n2", "--force")...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d with %q in\n%s%s", code, c.code, c.want, out, errs)
			}
		})
	}
}
