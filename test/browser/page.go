package browser

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"time"
)

// Theme makes the page's reader prefer light or dark.
func (b *Tab) Theme(name string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// Size is that of the window, in pixels.
func (b *Tab) Size(width, height int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// Visit loads a page.
func (b *Tab) Visit(url string) {
	b.t.Helper()
	var r struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": url}, &r)
	if r.ErrorText != "" {
		b.t.Fatalf("browser: %s: %s", url, r.ErrorText)
	}
}

// Eval is the value of an expression, as JSON would write it.
func (b *Tab) Eval(expression string, into any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("browser: %s: %s", expression, r.ExceptionDetails.Text)
	}
	if err := json.Unmarshal(r.Result.Value, into); err != nil {
		b.t.Fatalf("browser: %s: %v in %s", expression, err, r.Result.Value)
	}
}

// Text is what an expression says.
func (b *Tab) Text(expression string) string {
	b.t.Helper()
	var s string
	b.Eval("String("+expression+")", &s)
	return s
}

// lookAgain is how often Await looks.
const lookAgain = 50 * time.Millisecond

// Await waits until an expression is true.
func (b *Tab) Await(limit time.Duration, expression string) {
	b.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(lookAgain) {
		if b.Text("Boolean("+expression+")") == "true" {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("browser: %s is not true; the page says\n%s", expression, b.Text("document.body.innerText"))
		}
	}
}

// Press presses and releases a key, as Tab or Enter.
func (b *Tab) Press(key string, code int) {
	b.t.Helper()
	text := ""
	if key == "Enter" {
		text = "\r"
	}
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}, nil)
	}
}

// Screenshot writes a picture of the whole page.
func (b *Tab) Screenshot(file string) {
	b.t.Helper()
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &r)
	picture, err := base64.StdEncoding.DecodeString(r.Data)
	if err == nil {
		err = os.WriteFile(file, picture, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Node is what a screen reader is told of a part of the page.
type Node struct{ Role, Name string }

// Accessible is the page as screen readers get it.
func (b *Tab) Accessible() []Node {
	b.t.Helper()
	var r struct {
		Nodes []struct {
			Ignored    bool
			Role, Name struct{ Value any }
		}
	}
	b.call("Accessibility.getFullAXTree", nil, &r)
	var list []Node
	for _, n := range r.Nodes {
		role, _ := n.Role.Value.(string)
		name, _ := n.Name.Value.(string)
		if !n.Ignored {
			list = append(list, Node{role, name})
		}
	}
	return list
}
