package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
	"github.com/pgregent/pgregent/test/otlp"
)

const (
	// watchedFor is how long idle agents are compared.
	watchedFor = 60 * time.Second
	// loadRounds is how often each agent gets the load, in turns.
	loadRounds = 3
	// deadFor is how long spans are made for a collector that does not answer.
	deadFor = 10 * time.Minute
	// scrapeEvery is Prometheus's usual interval, for the shipped alerts.
	scrapeEvery = 5 * time.Second
	// mostCPU and mostMemory are what watching may cost: percent of one
	// processor, and MiB.
	mostCPU, mostMemory = 2.0, 5.0
)

// watched is one agent under comparison.
type watched struct {
	name string
	node *lab.Node
}

// alone starts a cluster of one with that YAML in its file.
func alone(b *testing.B, name, yaml string) watched {
	b.Helper()
	l := lab.New(b, lab.Options{Nodes: 1, Node: func(string) string { return yaml }})
	return watched{name, l.Leader()}
}

// used is the processor time that each agent takes meanwhile.
func used(b *testing.B, all []watched, meanwhile func()) []time.Duration {
	before := make([]time.Duration, len(all))
	for i, w := range all {
		before[i] = cpu(b, w.node.Pid())
	}
	meanwhile()
	for i, w := range all {
		before[i] = cpu(b, w.node.Pid()) - before[i]
	}
	return before
}

// BenchmarkObservability compares an agent that is not watched with one that
// sends traces and is scraped, idle and under health checks, at the same time
// on the same machine.
func BenchmarkObservability(b *testing.B) {
	onlyAsked(b)
	sink := otlp.Start(b)
	all := []watched{alone(b, "off", ""), alone(b, "on", "observability: {tracing: {endpoint: '"+sink.GRPC+"', protocol: grpc}}\n")}
	ctx, stop := context.WithCancel(b.Context())
	var scraping sync.WaitGroup
	scraping.Go(func() { scrape(ctx, all[1].node.URL("/metrics")) })
	defer scraping.Wait()
	defer stop()
	idle := used(b, all, func() { <-time.After(watchedFor) })
	load := make([]time.Duration, len(all))
	p99 := make([]time.Duration, len(all))
	for range loadRounds {
		for i, w := range all {
			d := used(b, all[i:i+1], func() { p99[i] = max(p99[i], paced(b, w.node.URL("/primary"))) })
			load[i] += d[0]
		}
	}
	percent := func(d, of time.Duration) float64 { return 100 * d.Seconds() / of.Seconds() }
	var rss [2]float64
	for i, w := range all {
		rss[i] = memory(b, w.node.Pid(), "Pss:")
		b.ReportMetric(percent(idle[i], watchedFor), w.name+"-idle-cpu-%")
		b.ReportMetric(percent(load[i], loadRounds*pacedFor), w.name+"-load-cpu-%")
		b.ReportMetric(float64(p99[i].Microseconds())/1000, w.name+"-p99-ms")
		b.ReportMetric(rss[i], w.name+"-pss-MiB")
	}
	b.ReportMetric(0, "ns/op")
	if more := percent(idle[1]-idle[0], watchedFor); more > mostCPU {
		b.Errorf("idle, watching costs %.2f %% of a processor", more)
	}
	if more := rss[1] - rss[0]; more > mostMemory {
		b.Errorf("watching costs %.1f MiB", more)
	}
}

// scrape reads metrics as Prometheus does, until ctx ends.
func scrape(ctx context.Context, url string) {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return
		}
		req.Header.Set("Accept", "application/openmetrics-text")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// BenchmarkDeadCollector makes spans for a collector that takes connections
// and never answers: the agent must not grow, nor its loop wait.
func BenchmarkDeadCollector(b *testing.B) {
	onlyAsked(b)
	w := alone(b, "dead", "observability: {tracing: {endpoint: 'http://"+blackHole(b)+"', protocol: grpc}}\n")
	ctx, stop := context.WithTimeout(b.Context(), deadFor)
	defer stop()
	var took []time.Duration
	var memories []float64
	spans := 0
	for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; spans++ {
		<-tick.C
		begin := time.Now()
		ask(b, w.node.URL("/primary"), fmt.Sprintf("00-%032x-%016x-01", spans+1, spans+1))
		took = append(took, time.Since(begin))
		if spans%2000 == 1999 { // after the queue was full for the first time
			memories = append(memories, memory(b, w.node.Pid(), "Pss:"))
		}
	}
	slices.Sort(took)
	grown := memories[len(memories)-1] - memories[0]
	b.ReportMetric(float64(spans), "spans")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(memories[0], "first-pss-MiB")
	b.ReportMetric(grown, "grown-MiB")
	b.ReportMetric(0, "ns/op")
	if grown > mostMemory {
		b.Errorf("the agent has grown by %.1f MiB: %v", grown, memories)
	}
	if n := metric(b, w.node, "pgregent_lease_missed_renewals_total"); n != 0 {
		b.Errorf("%v renewals of the lease were missed", n)
	}
	if n := metric(b, w.node, "pgregent_trace_spans_dropped_total"); n < 2000 {
		b.Errorf("%v spans are counted as dropped, of %d", n, spans)
	}
}

// blackHole takes connections and answers nothing.
func blackHole(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// ask makes one request that belongs to a trace.
func ask(b *testing.B, url, traceParent string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Traceparent", traceParent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// metric is the sum of an agent's series of that name.
func metric(b *testing.B, n *lab.Node, name string) float64 {
	b.Helper()
	code, text, err := n.Call(http.MethodGet, "/metrics", "")
	if err != nil || code != http.StatusOK {
		b.Fatalf("metrics: %d %v", code, err)
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(strings.TrimSpace(line), ' '); strings.HasPrefix(line, name+"{") && at > 0 {
			v, _ := strconv.ParseFloat(strings.TrimSpace(line)[at+1:], 64)
			sum += v
		}
	}
	return sum
}

// onlyAsked keeps what takes minutes out of the other benchmarks.
func onlyAsked(b *testing.B) {
	b.Helper()
	if os.Getenv("PGREGENT_BENCH_OBSERVE") == "" {
		b.Skip("make bench-observe runs this: it takes some minutes")
	}
}
