package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

const (
	// wrkFor is how long one line of wrk runs.
	wrkFor = 6 * time.Second
	// pace and pacedFor are of the steady load whose latency counts.
	pace     = 2000
	pacedFor = 5 * time.Second
)

// BenchmarkREST sends health checks to our agents and then, by the same wrk
// line, to Patroni's, in one run.
func BenchmarkREST(b *testing.B) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		b.Skip("wrk is not installed; make bench-rest installs it")
	}
	rates := map[string]map[string]float64{}
	agents(b, func(b *testing.B, program string) {
		l := lab.New(b, lab.Options{Nodes: 2, Program: program})
		leader, standby := l.Leader(), l.Standbys()[0]
		mine := map[string]float64{}
		for _, c := range []struct {
			name, path string
			node       *lab.Node
			close      bool
		}{
			{"primary", "/primary", leader, false},
			{"replica", "/replica", standby, false},
			{"primary-close", "/primary", leader, true},
			{"replica-close", "/replica", standby, true},
		} {
			before := cpu(b, c.node.Pid())
			perSecond, requests := rate(b, wrk, c.node.URL(c.path), c.close)
			mine[c.name] = perSecond
			mine[c.name+" cpu"] = float64((cpu(b, c.node.Pid()) - before).Microseconds()) / max(requests, 1)
			b.ReportMetric(perSecond, c.name+"-req/s")
			b.ReportMetric(mine[c.name+" cpu"], c.name+"-cpu-us/req")
		}
		if program == "" {
			quiet := paced(b, leader.URL("/primary"))
			b.ReportMetric(float64(quiet.Microseconds())/1000, "p99-at-2000/s-ms")
			if quiet > 5*time.Millisecond {
				b.Errorf("p99 at %d checks a second is %v, want below 5ms", pace, quiet)
			}
		}
		b.ReportMetric(0, "ns/op")
		rates[program] = mine
	})
	for program, theirs := range rates {
		if program == "" {
			continue
		}
		for name, want := range map[string]float64{"primary": 20, "replica": 20, "primary-close": 5, "replica-close": 5} {
			got := rates[""][name] / theirs[name]
			b.Logf("%s: %.0f against %.0f requests a second, %.1f times; %.0f against %.0f us of processor time each", name,
				rates[""][name], theirs[name], got, rates[""][name+" cpu"], theirs[name+" cpu"])
			if got < want {
				b.Errorf("%s: %.1f times Patroni's rate, want %.0f", name, got, want)
			}
		}
	}
}

// rate is wrk's requests a second, and in all; each on a connection of its own
// if close is set.
func rate(b *testing.B, wrk, url string, close bool) (perSecond, requests float64) {
	b.Helper()
	args := []string{"-t", "1", "-c", "16", "-d", strconv.Itoa(int(wrkFor.Seconds())) + "s"}
	if close {
		args = append(args, "-H", "Connection: close")
	}
	out, err := exec.Command(wrk, append(args, url)...).CombinedOutput()
	found := regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		b.Fatalf("wrk %s: %v\n%s", url, err, out)
	}
	if bad := regexp.MustCompile(`Non-2xx.*`).Find(out); bad != nil {
		b.Errorf("%s: %s", url, bad)
	}
	perSecond, _ = strconv.ParseFloat(string(found[1]), 64)
	if all := regexp.MustCompile(`([0-9]+) requests in`).FindSubmatch(out); all != nil {
		requests, _ = strconv.ParseFloat(string(all[1]), 64)
	}
	return perSecond, requests
}

// paced is the 99th percentile of checks at a steady rate over keep-alive
// connections, counted from when each was due.
func paced(b *testing.B, url string) time.Duration {
	b.Helper()
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}, Timeout: 5 * time.Second}
	defer h.CloseIdleConnections()
	due := make(chan time.Time, pace)
	var mu sync.Mutex
	var took []time.Duration
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for at := range due {
				resp, err := h.Get(url)
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				mu.Lock()
				took = append(took, time.Since(at))
				mu.Unlock()
			}
		})
	}
	tick := time.NewTicker(time.Second / 200)
	from := time.Now()
	for now := range tick.C {
		for range pace / 200 {
			due <- now
		}
		if now.Sub(from) > pacedFor {
			break
		}
	}
	tick.Stop()
	close(due)
	workers.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}

// BenchmarkRESTCrowd compares the latency of health checks alone with that
// beside 5,000 idle connections and 1,000 that never end their request head.
func BenchmarkRESTCrowd(b *testing.B) {
	l := lab.New(b, lab.Options{Nodes: 1})
	url := l.Leader().URL("/primary")
	alone := paced(b, url)
	held := crowd(b, l.Leader().RESTPort)
	beside := paced(b, url)
	for _, c := range held {
		_ = c.Close()
	}
	b.ReportMetric(float64(alone.Microseconds())/1000, "alone-p99-ms")
	b.ReportMetric(float64(beside.Microseconds())/1000, "crowd-p99-ms")
	b.ReportMetric(0, "ns/op")
	if beside > 2*alone+2*time.Millisecond {
		b.Errorf("p99 is %v beside %d connections, %v alone", beside, len(held), alone)
	}
}

// crowd opens the connections, from addresses that each stay below the bound
// for one. The slow ones send a byte of a header now and then.
func crowd(b *testing.B, port int) []net.Conn {
	b.Helper()
	var held []net.Conn
	for i := range 6000 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/900))}, Timeout: 5 * time.Second}
		c, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			b.Fatalf("connection %d: %v", i, err)
		}
		held = append(held, c)
		text := "HEAD /primary HTTP/1.1\r\nHost: x\r\n\r\n"
		if i >= 5000 {
			text = "GET /primary HTTP/1.1\r\nX-Slow: "
		}
		if _, err := io.WriteString(c, text); err != nil {
			b.Fatal(err)
		}
	}
	return held
}
