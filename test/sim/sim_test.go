package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	seeds = flag.Int("seeds", 50, "how many seeds to run")
	trace = flag.Bool("trace", false, "print the transcript while it is made")
	first = flag.Uint64("seed", 1, "the first of them")
)

func TestSeeds(t *testing.T) {
	for i := range *seeds {
		seed := *first + uint64(i)
		s, err := Draw(seed)
		if err != nil {
			t.Fatal(err)
		}
		if *trace {
			s.Trace = os.Stderr
		}
		r := Run(t, s)
		if testing.Verbose() {
			fmt.Println(s, r.Leaders, "leaders", r.Writes, "writes", r.Broken)
		}
		if len(r.Broken) > 0 {
			t.Errorf("%v\n%v\n%s", s, r.Broken, r.Transcript)
		}
	}
}
