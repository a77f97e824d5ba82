package sim

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	seeds = flag.Int("seeds", usual, "how many seeds to run")
	first = flag.Uint64("seed", 1, "the first of them")
	every = flag.Uint64("every", 1, "the distance between them")
	trace = flag.Bool("trace", false, "print the transcript while it is made")
	sums  = flag.Bool("sums", false, "print a hash of each transcript, to see whether a change alters what happens")
)

// workerEnv marks the processes that TestSeeds starts, one for each processor.
// Each of them has one processor; see the package's word on concurrency.
const workerEnv = "PGREGENT_SIM_WORKER"

// keptSeeds are seeds that have found something, and what they found when they
// were kept. A change to the models, or to what is drawn, changes their stories.
var keptSeeds = []struct {
	seed  uint64
	found string
}{
	{2, "a bootstrap gave up when one answer was lost, and left its system identifier behind"},
	{3, "a switchover went to a standby that did not receive the log, and lost confirmed commits"},
	{8, "a rewound standby was started without upstream while the store was silent, and never became consistent"},
	{12, "a standby whose stop hung was never looked after"},
	{16, "after an orderly release a cut-off node took the lock before those that had everything"},
	{17, "the fence killed in the last moment although the lease had been proven again"},
	{21, "as 3, by a manual failover right after a restart"},
	{23, "as 3, after a power loss"},
	{25, "a promotion that hangs"},
	{26, "the loop turned without pause while the store refused a write at once"},
	{28, "as 17, after a suspended host"},
	{31, "a standby that left the synchronous ones turned without pause"},
	{53, "as 17, after a restart of the agent"},
	{6, "a node whose fence had killed kept the lock and could never arm it again"},
	{151, "after the fence had killed, the same epoch was proven and armed again while its session was being closed: two primaries"},
	{258, "a step of synchronous replication rested on a sync key that was not in force any more"},
	{283, "a session that had been dropped was resumed, and held the lock for nobody"},
	{2535, "a new agent that had resumed the lock promoted before it had read the store, and panicked"},
	{2564, "as 2535"},
	{602, "after a restore the epochs were lower, and the fence refused them for ever"},
	{1420, "a standby on another branch of the cluster's timeline counted what was only its own, and was elected"},
	{1619, "a primary that a new agent had adopted right after its promotion never made a checkpoint, and nobody could be rewound"},
	{1347, "a crashed leader was started as primary although the store showed that its lock was gone"},
	{3194, "a bootstrap whose last write had no answer put its data aside, and the finished cluster had none"},
	{4654, "a leader that could not understand the failsafe key asked nobody, and counted that as everybody's promise"},
	{7049, "the model's fence let backends of a postmaster live that died while it was about to kill them"},
	{9640, "a former leader that woke up got the promises, and the standbys, that the present one leads by"},
	{8629, "the model counted what a forgotten primary confirmed between two leaderships of others"},
	{12375, "a standby that was rewound from a leader whose log was given up waited for ever for that log"},
	{12383, "members waited for one with a newer timeline that was not in the failsafe key, even if an operator asked for a failover"},
	{11521, "after a restore only a member that must never lead was in the sync key: the model's operator has to force a failover"},
	{4481, "in pause a primary took the lock of a leader on a newer timeline that had not written the history"},
	{1753, "after a restore all members were behind what the old keys tell: the model's operator has to force a failover"},
	{687, "the checker took the keys of a leader that could not be promoted for its own"},
	{2346, "after a promotion that could not be prepared, the checkpoint of the next was never made, and nobody could be rewound"},
	{8513, "a standby waited for one that was ahead on an abandoned branch of the same number, and left the lock to it"},
	{3910, "the checker's operator stayed away although only a member that must never lead, and that somebody had promoted by hand, was in the sync key"},
	{5508, "the checker's operator named a candidate with an abandoned history"},
	{3648, "a bootstrap that the store refused at once was tried again without pause"},
}

// roomy is how much a worker may allocate before it collects.
const roomy = 32 << 20

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.MemProfileRate = 0
	if os.Getenv(workerEnv) != "" || *trace {
		debug.SetGCPercent(-1) // the collector would change who runs first
	}
	os.Exit(m.Run())
}

// tidy collects between two seeds.
func tidy() {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc > roomy {
		runtime.GC()
	}
}

// check runs one seed and reports what is broken.
func check(t *testing.T, seed uint64) {
	t.Helper()
	s, err := Draw(seed)
	if err != nil {
		t.Fatal(err)
	}
	if *trace {
		s.Trace = os.Stderr
	}
	s.Keep = *sums
	r := Run(t, s)
	if *sums {
		fmt.Printf("seed %d: %s\n", seed, sum(r.Transcript))
	}
	if testing.Verbose() {
		t.Logf("seed %d: %d leaders, %d writes", seed, r.Leaders, r.Writes)
	}
	if len(r.Broken) > 0 {
		t.Errorf("%v\n%v\nagain: make sim SEEDS=1 SEED=%d\n%s", s, r.Broken, seed, r.Transcript)
	}
}

// sum is a hash of a transcript that does not depend on the order of what
// happened within one millisecond.
func sum(transcript string) string {
	lines := strings.Split(transcript, "\n")
	slices.Sort(lines)
	return fmt.Sprintf("%.8x", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
}

func TestKeptSeeds(t *testing.T) {
	if os.Getenv(workerEnv) != "" {
		t.Skip("a worker has its own seeds")
	}
	// As the workers have, who found them: a seed's schedule is that of one processor.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i, k := range keptSeeds {
		if i >= keep {
			return
		}
		check(t, k.seed)
	}
}

func TestSeeds(t *testing.T) {
	workers := min(runtime.NumCPU(), *seeds)
	if os.Getenv(workerEnv) != "" || workers < 2 || *trace {
		for i := range uint64(*seeds) {
			check(t, *first+i**every)
			tidy()
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range workers {
		n := (*seeds - i + workers - 1) / workers
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestSeeds$", "-test.timeout=0",
			"-seeds="+strconv.Itoa(n), "-seed="+strconv.FormatUint(*first+uint64(i), 10), "-every="+strconv.Itoa(workers))
		cmd.Env = append(os.Environ(), workerEnv+"=1", "GOMAXPROCS=1")
		all.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("worker %d: %v\n%s", i, err, out)
			}
		})
	}
	all.Wait()
}
