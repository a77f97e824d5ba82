package bench

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lab.Cleanup()
	os.Exit(code)
}

// agents runs f for our agent and, where it is installed, for Patroni.
func agents(b *testing.B, f func(b *testing.B, program string)) {
	b.Run("pgregent", func(b *testing.B) { f(b, "") })
	b.Run("patroni", func(b *testing.B) {
		path, err := exec.LookPath("patroni")
		if err != nil {
			b.Skip("patroni is not installed: no peer to compare with")
		}
		f(b, path)
	})
}

// report gives the median and the worst of durations in milliseconds.
func report(b *testing.B, name string, d []time.Duration) {
	slices.Sort(d)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(d[len(d)/2]), name+"-median-ms")
	b.ReportMetric(ms(d[len(d)-1]), name+"-max-ms")
	b.ReportMetric(0, "ns/op") // the loop's own time says nothing
}

// gaps makes b.N faults and reports the write gap of each.
func gaps(b *testing.B, o lab.Options, fault func(l *lab.Lab, leader *lab.Node)) {
	l := lab.New(b, o)
	l.CreateTable()
	w := l.NewWriter(1)
	var all []time.Duration
	for range b.N {
		w.AwaitMore(100, 60*time.Second)
		leader := l.WaitHealthy(90 * time.Second)
		from := time.Now()
		fault(l, leader)
		w.AwaitMore(100, 60*time.Second)
		all = append(all, w.Gap(from))
	}
	report(b, "gap", all)
}

func BenchmarkSwitchover(b *testing.B) {
	agents(b, func(b *testing.B, program string) {
		var calls []time.Duration
		gaps(b, lab.Options{Program: program}, func(l *lab.Lab, leader *lab.Node) {
			from := time.Now()
			code, text, err := leader.Call(http.MethodPost, "/switchover", fmt.Sprintf(`{"leader": %q}`, leader.Name))
			if err != nil || code != http.StatusOK {
				b.Fatalf("switchover: %d %s %v", code, text, err)
			}
			calls = append(calls, time.Since(from))
		})
		report(b, "call", calls)
	})
}

func BenchmarkFailoverAfterPostmasterKill(b *testing.B) {
	agents(b, func(b *testing.B, program string) {
		dcs := lab.DefaultDCS + "primary_start_timeout: 0\nmaster_start_timeout: 0\n"
		gaps(b, lab.Options{Program: program, DCS: dcs}, func(_ *lab.Lab, leader *lab.Node) {
			_ = syscall.Kill(leader.Postmaster(), syscall.SIGKILL)
		})
	})
}

// idleFor is how long idle agents are watched.
const idleFor = 20 * time.Second

// BenchmarkIdle reports memory and processor use of an idle leader's agent.
func BenchmarkIdle(b *testing.B) {
	agents(b, func(b *testing.B, program string) {
		l := lab.New(b, lab.Options{Program: program})
		pid := l.Leader().Pid()
		before := cpu(b, pid)
		<-time.After(idleFor)
		used := cpu(b, pid) - before
		b.ReportMetric(100*used.Seconds()/idleFor.Seconds(), "cpu-%")
		b.ReportMetric(memory(b, pid, "Rss:"), "rss-MiB")
		b.ReportMetric(memory(b, pid, "Pss:"), "pss-MiB")
		b.ReportMetric(0, "ns/op")
	})
}

// cpu is the processor time that a process has used.
func cpu(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// memory reads a line of smaps_rollup, in MiB.
func memory(b testing.TB, pid int, key string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	b.Fatalf("no %s in smaps_rollup", key)
	return 0
}
