package arch

import "strings"

const module = "github.com/pgregent/pgregent/"

// under reports that path is root or lies below it.
func under(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func underAny(path string, roots []string) bool {
	for _, root := range roots {
		if under(path, root) {
			return true
		}
	}
	return false
}

// A folder is a subtree of the module and what of the module it may import;
// packages of one subtree may always import each other.
type folder struct {
	path string
	may  []string
}

// folders is read top down and the first match wins, so that a subtree may be
// stricter than what it lies in. Arrows point down, never sideways.
var folders = []folder{
	// Layer 1: the vocabulary.
	{"core/cluster", nil},

	// Layer 2: decisions, arithmetic, configuration.
	{"core/lease", []string{"core/cluster"}},
	{"core/record", []string{"core/cluster"}},
	{"core/decide", []string{"core/cluster", "core/lease"}},
	{"core/config", []string{"core/cluster"}},

	// Layer 3: the edges and the loop, strangers to each other.
	{"core/fence", []string{"core/cluster", "core/lease"}},
	{"core/watchdog", nil},
	{"core/postgres", []string{"core/cluster", "core/config"}},
	{"core/agent", []string{"core/cluster", "core/lease", "core/decide", "core/config", "core/record"}},
	{"rest", layers12},
	{"zkdcs", layers12},
	{"observability", layers12},
	// What authors of plugins import has nothing of ours.
	{"plugins/sdk", []string{"plugins/proto"}},
	{"plugins/proto", nil},
	{"plugins/script", nil},
	{"plugins/builtin", []string{"plugins/sdk", "plugins/proto", "plugins/script"}},
	{"plugins", append([]string{"plugins/proto", "plugins/script"}, layers12...)},

	// Layer 4 wires, and tests look at everything.
	{"cmd", []string{"core", "rest", "zkdcs", "plugins", "observability", "packaging"}},
	{"packaging", nil},
	// The simulation has the core, and models in the place of the edges.
	{"test/sim", []string{"core/cluster", "core/lease", "core/decide", "core/agent", "core/fence"}},
	{"test", []string{"core", "rest", "zkdcs", "plugins", "observability", "packaging", "cmd"}},
}

var layers12 = []string{"core/cluster", "core/lease", "core/decide", "core/config", "core/record"}

// testHelpers are packages for tests that lie beside what they start. What is
// shipped does not import them, nor the testing package.
var testHelpers = []string{"core/postgres/pgtest", "zkdcs/zktest", "rest/certs/certstest", "plugins/sdk/plugintest"}

// owners says which folders may import a foreign module.
var owners = map[string][]string{
	"github.com/lib/pq":                   {"core/postgres", "test"},
	"github.com/go-zookeeper/zk":          {"zkdcs", "test"},
	"github.com/gin-gonic/gin":            {"rest"},
	"github.com/hashicorp/go-plugin":      {"plugins"},
	"github.com/prometheus/client_golang": {"observability", "rest", "zkdcs", "plugins"},
	"go.opentelemetry.io/otel/sdk":        {"observability"},
}

// A pure package imports the standard library only, and nothing of it that
// reaches out of the process.
type pure struct {
	path string
	// may are exceptions from impure, with the reason in a comment.
	may []string
	// noClock means that also the time is an argument.
	noClock bool
}

var pures = []pure{
	{path: "core/cluster", noClock: true},
	{path: "core/decide", noClock: true},
	{path: "core/record", noClock: true},
	// The boot-time clock is a system call.
	{path: "core/lease", may: []string{"syscall", "unsafe"}},
}

// impure are the parts of the standard library that do I/O, start processes,
// log, depend on the machine or wait for others; harmless are packages below
// them that do not.
var (
	impure = []string{
		"bufio", "context", "crypto", "database", "debug", "embed", "expvar", "flag", "internal", "io/fs", "io/ioutil", "log",
		"math/rand", "mime/multipart", "net", "os", "path/filepath", "plugin", "runtime", "sync", "syscall", "testing", "unsafe", "C",
	}
	harmless = []string{"net/url", "net/netip"}
)

// clockFuncs of package time read the clock or wait for it.
var clockFuncs = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"Tick": true, "NewTicker": true, "NewTimer": true, "LoadLocation": true,
}

// printFuncs of package fmt write to or read from the standard streams.
var printFuncs = map[string]bool{
	"Print": true, "Printf": true, "Println": true, "Scan": true, "Scanf": true, "Scanln": true,
}

// maxLines is the longest a Go file may get outside tests. The aim is 400.
const maxLines = 500
