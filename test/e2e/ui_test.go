package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/browser"
	"github.com/pgregent/pgregent/test/lab"
)

// contrast is the least ratio of a text's colour to that of its ground, as
// WCAG 2 asks for at level AA; colours are what the browser computed.
const contrast = `(() => {
	const rgb = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => { const [r, g, b] = rgb(c).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$|transparent/.test(c)) return c; } return "rgb(255, 255, 255)"; };
	const bad = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName)) continue;
		const a = light(getComputedStyle(e).color), b = light(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(e.tagName + " " + e.textContent.trim().slice(0, 30) + " " + ratio.toFixed(2));
	}
	return bad.join("; ");
})()`

// TestClusterPage looks at the page of a standby in a real browser while the
// leader is lost: the page sees the next one, and the record, by itself.
func TestClusterPage(t *testing.T) {
	pictures := os.Getenv("PGREGENT_UI")
	if pictures == "" {
		t.Skip("make ui-test runs this: it installs a browser")
	}
	program, err := browser.Find()
	if err != nil {
		t.Skipf("%v: test/deps/install.sh --with-browser installs one", err)
	}
	r := under(t, traceDCS)
	old := r.leader
	tab := browser.Open(t, program)
	tab.Size(1100, 1000)
	tab.Theme("light")
	tab.Visit(r.Standbys()[0].URL("/ui"))
	tab.Await(20*time.Second, fmt.Sprintf(`document.querySelector("#members tr[data-role=leader]")?.dataset.member === %q`, old.Name))
	tab.Await(20*time.Second, `document.getElementById("link").textContent === "live"`)
	tab.Await(60*time.Second, `document.getElementById("health").dataset.grade === "good"`)
	tab.Screenshot(filepath.Join(pictures, "healthy-light.png"))
	spoken(t, tab)
	byKeyboard(t, tab)

	old.KillAll()
	seen := time.Now()
	tab.Await(60*time.Second, fmt.Sprintf(`!["", %q, undefined].includes(document.querySelector("#members tr[data-role=leader]")?.dataset.member)`, old.Name))
	next := r.Leader()
	if shown := tab.Text(`document.querySelector("#members tr[data-role=leader]").dataset.member`); next == nil || shown != next.Name {
		t.Errorf("the page says that %s leads", shown)
	}
	tab.Await(10*time.Second, `document.getElementById("news").textContent.includes("leads now")`)
	t.Logf("the page showed the next leader %v after the kill: %s", time.Since(seen).Round(10*time.Millisecond), tab.Text(`document.getElementById("news").textContent`))
	tab.Await(30*time.Second, `document.querySelectorAll("#failovers details[open] tbody tr").length > 3`)
	for _, theme := range []string{"light", "dark"} {
		tab.Theme(theme)
		tab.Screenshot(filepath.Join(pictures, "failover-"+theme+".png"))
		if bad := tab.Text(contrast); bad != "" {
			t.Errorf("%s: too little contrast: %s", theme, bad)
		}
	}
	tab.Size(380, 800)
	tab.Screenshot(filepath.Join(pictures, "narrow-dark.png"))
	if tab.Text(`document.documentElement.scrollWidth > innerWidth`) == "true" {
		t.Error("on a narrow screen the whole page moves sideways")
	}
	if list := slices.DeleteFunc(tab.Complaints(), func(s string) bool { return strings.Contains(s, "/failovers") }); len(list) > 0 {
		t.Errorf("the browser complains: %v", list)
	}
	old.Start()
	tab.Await(90*time.Second, `document.getElementById("health").dataset.grade === "good"`)
}

// spoken checks what a screen reader is told.
func spoken(t *testing.T, tab *browser.Tab) {
	t.Helper()
	nodes := tab.Accessible()
	for _, want := range []browser.Node{
		{Role: "banner"},
		{Role: "main"},
		{Role: "contentinfo"},
		{Role: "status"},
		{Role: "heading", Name: "Cluster " + lab.Scope},
		{Role: "heading", Name: "Members"},
		{Role: "table", Name: "Who leads, who replicates from whom, and how far behind"},
		{Role: "columnheader", Name: "Lag"},
		{Role: "rowheader", Name: "pg1"},
		{Role: "link", Name: "Skip to the content"},
	} {
		if !slices.ContainsFunc(nodes, func(n browser.Node) bool { return n.Role == want.Role && (want.Name == "" || n.Name == want.Name) }) {
			t.Errorf("a screen reader finds no %s %q", want.Role, want.Name)
		}
	}
}

// byKeyboard goes to the content by the first link.
func byKeyboard(t *testing.T, tab *browser.Tab) {
	t.Helper()
	tab.Press("Tab", 9)
	if at := tab.Text(`document.activeElement.textContent`); at != "Skip to the content" {
		t.Errorf("the first stop is %q", at)
	}
	tab.Press("Enter", 13)
	tab.Await(5*time.Second, `document.activeElement.id === "main"`)
	tab.Press("Tab", 9)
	if at := tab.Text(`document.activeElement.getAttribute("role")`); at != "region" {
		t.Errorf("after it comes %q", at)
	}
}
