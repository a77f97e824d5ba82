package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

const (
	shipped = "../../observability"
	// faster is by how much the shipped times are shortened: an alert that
	// waits five minutes, or looks back ten, does so for seconds. Their real
	// times are those of rules_test.yml.
	faster = 20
	// longestWait and longestLook bound what is left of them.
	longestWait, longestLook = 10 * time.Second, 40 * time.Second
)

var (
	waits  = regexp.MustCompile(`for: (\d+[smh])`)
	ranges = regexp.MustCompile(`\[(\d+[smh])\]`)
)

// shortened are the shipped rules on a faster clock, and with less log for a
// slot to keep.
func shortened(t *testing.T, text string) string {
	t.Helper()
	scale := func(pattern *regexp.Regexp, form string, least, most time.Duration) {
		text = pattern.ReplaceAllStringFunc(text, func(found string) string {
			d, err := time.ParseDuration(pattern.FindStringSubmatch(found)[1])
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(form, max(min(d/faster, most), least).Milliseconds())
		})
	}
	scale(waits, "for: %dms", time.Second, longestWait)
	scale(ranges, "[%dms]", 10*time.Second, longestLook)
	const much = "10 * 1024 * 1024 * 1024"
	if !strings.Contains(text, much) {
		t.Fatal("the alert about slots looks different")
	}
	return strings.ReplaceAll(text, much, "4 * 1024 * 1024")
}

// watcher is a Prometheus that scrapes a lab.
type watcher struct {
	*run
	url string
	// held is the process that holdBack has stopped.
	held int
}

func (r *run) startPrometheus(program string) *watcher {
	r.t.Helper()
	dir := r.t.TempDir()
	rules, err := os.ReadFile(filepath.Join(shipped, "prometheus/rules.yml"))
	if err != nil {
		r.t.Fatal(err)
	}
	var targets []string
	for _, n := range r.Nodes {
		u, err := url.Parse(n.URL("/metrics"))
		if err != nil {
			r.t.Fatal(err)
		}
		targets = append(targets, strconv.Quote(u.Host))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	for name, text := range map[string]string{
		"rules.yml": shortened(r.t, string(rules)),
		"prometheus.yml": "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\nrule_files: [rules.yml]\n" +
			"scrape_configs:\n  - {job_name: pgregent, static_configs: [{targets: [" + strings.Join(targets, ", ") + "]}]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+at, "--log.level=error")
	cmd.Stdout, cmd.Stderr = r.t.Output(), r.t.Output()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w := &watcher{run: r, url: "http://" + at}
	r.Wait(30*time.Second, "all members are scraped", func() string {
		if n := len(w.query("up == 1")); n != len(r.Nodes) {
			return fmt.Sprintf("%d are", n)
		}
		return ""
	})
	return w
}

// query is the result of an instant query, one label set with its value each.
func (w *watcher) query(expr string) []string {
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  []any
			}
		}
	}
	resp, err := http.Get(w.url + "/api/v1/query?" + url.Values{"query": {expr}}.Encode())
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusServiceUnavailable { // it starts
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status == "error" {
		w.t.Errorf("%s: %s %v", expr, answer.Error, err)
		return nil
	}
	var list []string
	for _, r := range answer.Data.Result {
		list = append(list, fmt.Sprint(r.Metric, r.Value))
	}
	return list
}

// firing are the alerts that fire now, each once.
func (w *watcher) firing() []string {
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if why := fetch(w.url+"/api/v1/alerts", &answer); why != "" {
		w.t.Fatal(why)
	}
	var names []string
	for _, a := range answer.Data.Alerts {
		if name := strings.TrimPrefix(a.Labels["alertname"], "Pgregent"); a.State == "firing" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// during injects a fault, waits until the alerts fire that it must bring, and
// sees that only those do that it may bring; mend ends the fault, and the
// alerts then.
func (w *watcher) during(fault string, must, may []string, inject, mend func()) {
	w.t.Helper()
	seen := map[string]bool{}
	look := func() {
		for _, name := range w.firing() {
			if !seen[name] && !slices.Contains(must, name) && !slices.Contains(may, name) {
				w.t.Errorf("%s: %s fires", fault, name)
			}
			seen[name] = true
		}
	}
	inject()
	w.Wait(90*time.Second, fault+": "+strings.Join(must, ", "), func() string {
		look()
		for _, name := range must {
			if !seen[name] {
				return name + " does not fire"
			}
		}
		return ""
	})
	mend()
	w.Wait(120*time.Second, fault+": the end of all alerts", func() string {
		look()
		return strings.Join(w.firing(), ", ")
	})
	w.t.Logf("%-28s %v", fault, seen)
}

// TestAlertsFireInTheirFaults has a real Prometheus scrape a cluster that is
// broken in one way after another, and runs the queries of the dashboards.
func TestAlertsFireInTheirFaults(t *testing.T) {
	if os.Getenv("PGREGENT_ALERTS") == "" {
		t.Skip("make alerts runs this: it takes some minutes")
	}
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("Prometheus is not installed: test/deps/install.sh --with-prometheus does it")
	}
	r, sink := traced(t, traceDCS)
	w := r.startPrometheus(program)
	nothing := func() {}
	healthy := func() { r.WaitHealthy(90 * time.Second) }
	var n *lab.Node
	w.during("nothing", nil, nil, nothing, func() { r.writer.AwaitMore(200, 60*time.Second) })
	w.during("switchover", nil, []string{"StandbyMissing"}, func() {
		n = r.Leader()
		r.order(n, "/switchover", fmt.Sprintf(`{"leader": %q}`, n.Name), 200)
	}, healthy)
	w.during("pause", []string{"Paused"}, nil, func() { r.patch(`{"pause": true}`) }, func() { r.patch(`{"pause": null}`) })
	w.during("a standby's agent killed", []string{"AgentDown"}, []string{"StandbyMissing"}, func() { n = r.Standbys()[0]; n.KillAll() }, func() { n.Start(); healthy() })
	var both []*lab.Node
	w.during("all standbys killed", []string{"StandbyMissing", "AgentDown"}, []string{"SlotRetention"}, func() {
		for both = r.Standbys(); len(both) < 2; both = r.Standbys() {
			healthy()
		}
		for _, n := range both {
			n.KillAll()
		}
	}, func() {
		for _, n := range both {
			n.Start()
		}
		healthy()
	})
	w.during("a standby lags", []string{"ReplicationLag", "HandoverRefused", "SlotRetention"}, []string{"StandbyMissing"}, func() { w.holdBack() }, w.letGo)
	w.during("crash loop", []string{"CrashLoop"}, []string{"NoPrimary", "StandbyMissing"}, func() {
		n := r.Leader()
		for range 3 {
			r.killPostmaster(n)
		}
	}, healthy)
	w.during("node lost", []string{"Failover", "AgentDown"}, []string{"NoPrimary", "StandbyMissing", "SlotRetention"}, func() {
		n = r.Leader()
		n.KillAll()
		r.otherLeads(n)
	}, func() { n.Start(); healthy() })
	w.during("zookeeper cut", []string{"LeaseLow", "LeaseRenewalMissed", "NoPrimary"}, []string{"StandbyMissing", "Failover", "KilledByDeadline", "NoFence"}, r.ZK.Pause, func() { r.ZK.Resume(); healthy() })
	w.during("the leader's agent frozen", []string{"KilledByDeadline", "Failover"}, []string{"NoPrimary", "AgentDown", "StandbyMissing", "LeaseRenewalMissed", "LeaseLow"}, func() {
		r.freezeAgent(r.Leader())
	}, healthy)
	w.during("promoted by hand in pause", []string{"TwoPrimaries", "Paused"}, []string{"StandbyMissing"}, w.promoteByHand, func() { r.patch(`{"pause": null}`); healthy() })
	w.during("no fence", []string{"NoFence"}, []string{"AgentDown", "StandbyMissing", "Failover", "NoPrimary"}, func() { n = w.leadUnfenced() }, func() { w.fence(n, "required"); healthy() })
	w.during("the collector refuses", []string{"RecordLost"}, []string{"StandbyMissing"}, func() {
		sink.Refuse(true)
		r.order(r.Leader(), "/switchover", fmt.Sprintf(`{"leader": %q}`, r.Leader().Name), 200)
	}, func() { sink.Refuse(false); healthy() })
	w.dashboards()
}

// holdBack stops the receiver of one standby and writes more than it may lag.
func (w *watcher) holdBack() {
	w.t.Helper()
	leader, standby := w.Leader(), w.Standbys()[0]
	text, err := standby.Query("SELECT pid FROM pg_stat_wal_receiver")
	w.held, _ = strconv.Atoi(strings.TrimSpace(text))
	if err != nil || w.held == 0 {
		w.t.Fatalf("WAL receiver: %q %v", text, err)
	}
	_ = syscall.Kill(w.held, syscall.SIGSTOP)
	leader.MustExec("CREATE TABLE IF NOT EXISTS much (t text); INSERT INTO much SELECT repeat(md5(i::text), 20) FROM generate_series(1, 40000) i")
	if code, text, err := leader.Call(http.MethodPost, "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, leader.Name, standby.Name)); err != nil || code == 200 {
		w.t.Fatalf("the switchover was not refused: %d %s %v", code, text, err)
	}
}

func (w *watcher) letGo() {
	_ = syscall.Kill(w.held, syscall.SIGCONT)
	w.WaitHealthy(90 * time.Second)
}

// promoteByHand makes a second primary, as pause permits an operator to.
func (w *watcher) promoteByHand() {
	w.t.Helper()
	standby := w.Standbys()[0]
	w.patch(`{"pause": true}`)
	w.Wait(30*time.Second, standby.Name+" to be in pause", func() string {
		doc, err := standby.GetJSON("/patroni")
		if err != nil || doc.Get("pause") != true {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
	standby.MustExec("SELECT pg_promote()")
}

// leadUnfenced lets a node lead that was told to run without a fence.
func (w *watcher) leadUnfenced() *lab.Node {
	w.t.Helper()
	standby := w.Standbys()[0]
	w.fence(standby, "off")
	leader := w.WaitHealthy(60 * time.Second)
	w.order(leader, "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, leader.Name, standby.Name), 200)
	return standby
}

// fence starts the agent of n anew with that mode of the fence.
func (w *watcher) fence(n *lab.Node, mode string) {
	w.t.Helper()
	text, err := os.ReadFile(n.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "\nfence:")
	n.Signal(syscall.SIGTERM)
	n.WaitExit(60 * time.Second)
	if err := os.WriteFile(n.Config, []byte(before+"\nfence: {mode: '"+mode+"'}\n"), 0o644); err != nil {
		w.t.Fatal(err)
	}
	n.Start()
}

// patch changes the dynamic configuration.
func (r *run) patch(body string) {
	r.t.Helper()
	if code, text, err := r.Leader().Call(http.MethodPatch, "/config", body); err != nil || code != 200 {
		r.t.Fatalf("PATCH /config: %d %s %v", code, text, err)
	}
}

// dashboards runs every query of the shipped dashboards as Grafana would.
func (w *watcher) dashboards() {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(shipped, "grafana/*.json"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("no dashboards: %v", err)
	}
	queries := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`"expr":\s*("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(string(text), -1) {
			expr, err := strconv.Unquote(found[1])
			if err != nil {
				w.t.Fatal(err)
			}
			expr = strings.NewReplacer("$scope", lab.Scope, "$name", w.Leader().Name, "$__rate_interval", "5m", "$__range", "15m", "$__interval", "5m").Replace(expr)
			queries++
			if len(w.query(expr)) == 0 {
				w.t.Errorf("%s: no data for %s", filepath.Base(file), expr)
			}
		}
	}
	w.t.Logf("%d queries of the dashboards", queries)
}
