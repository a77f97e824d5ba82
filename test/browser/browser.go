package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// callLimit bounds one command to the browser. The first one waits for its
// start, on a busy machine.
const callLimit = 60 * time.Second

// Find returns the program, or why there is none.
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium is installed")
}

// Tab is the one page of a browser.
type Tab struct {
	t       testing.TB
	in      *os.File
	session string

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	// complaints are errors of the page's scripts, and what its security
	// policy kept it from.
	complaints []string
}

type answer struct {
	ID     int
	Result json.RawMessage
	Error  *struct{ Message string }
}

type event struct {
	Method string
	Params struct {
		Entry            struct{ Level, Text, URL string }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
}

// Open starts a browser and registers its end.
func Open(t testing.TB, program string) *Tab {
	t.Helper()
	commands, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// No sandbox of its own: tests run as root. The pages are ours.
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		"--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	cmd.ExtraFiles = []*os.File{commands, answers} // 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = nil
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = commands.Close(), answers.Close()
	tab := &Tab{t: t, in: in, waiting: map[int]chan answer{}}
	ended := make(chan struct{})
	go func() { defer close(ended); tab.read(out) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = in.Close()
		<-ended
		_ = out.Close()
	})
	var target struct{ TargetID string }
	tab.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	tab.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	tab.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Accessibility"} {
		tab.call(domain+".enable", nil, nil)
	}
	return tab
}

// read hands answers on until the browser ends.
func (b *Tab) read(out *os.File) {
	in := bufio.NewReader(out)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		text = text[:len(text)-1]
		var a answer
		if json.Unmarshal(text, &a) != nil {
			continue
		}
		b.mu.Lock()
		if a.ID == 0 {
			b.note(text)
		} else if to := b.waiting[a.ID]; to != nil {
			delete(b.waiting, a.ID)
			to <- a
		}
		b.mu.Unlock()
	}
}

func (b *Tab) note(text []byte) {
	var e event
	if json.Unmarshal(text, &e) != nil {
		return
	}
	switch {
	case e.Method == "Runtime.exceptionThrown":
		b.complaints = append(b.complaints, e.Params.ExceptionDetails.Text+" "+e.Params.ExceptionDetails.Exception.Description)
	case e.Method == "Log.entryAdded" && e.Params.Entry.Level == "error":
		b.complaints = append(b.complaints, e.Params.Entry.Text+" "+e.Params.Entry.URL)
	}
}

// Complaints are what the browser has found wrong since the last call.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.complaints
	b.complaints = nil
	return list
}

// call makes one command of the DevTools protocol.
func (b *Tab) call(method string, params map[string]any, into any) {
	b.t.Helper()
	if err := b.try(method, params, into); err != nil {
		b.t.Fatalf("browser: %s: %v", method, err)
	}
}

func (b *Tab) try(method string, params map[string]any, into any) error {
	b.mu.Lock()
	b.next++
	id, got := b.next, make(chan answer, 1)
	b.waiting[id] = got
	b.mu.Unlock()
	if params == nil {
		params = map[string]any{}
	}
	message := map[string]any{"id": id, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	select {
	case a := <-got:
		if a.Error != nil {
			return errors.New(a.Error.Message)
		}
		if into != nil {
			return json.Unmarshal(a.Result, into)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
