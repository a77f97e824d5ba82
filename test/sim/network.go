package sim

// kind is what goes over a link.
type kind string

const (
	toZooKeeper kind = "zookeeper"
	toREST      kind = "rest"
	toReplicate kind = "replication"
)

// link is one direction between two hosts.
type link struct {
	kind     kind
	from, to string
}

// network says which links are cut, counted: faults overlap. It is guarded by
// world.mu.
type network struct{ cuts map[link]int }

// open reports that a packet of that kind gets through.
func (n *network) open(k kind, from, to string) bool {
	return len(n.cuts) == 0 || n.cuts[link{k, from, to}] == 0
}

// both reports that packets get through in both directions.
func (n *network) both(k kind, a, b string) bool { return n.open(k, a, b) && n.open(k, b, a) }

func (n *network) cut(links []link) {
	for _, l := range links {
		n.cuts[l]++
	}
}

func (n *network) heal(links []link) {
	for _, l := range links {
		if n.cuts[l]--; n.cuts[l] <= 0 {
			delete(n.cuts, l)
		}
	}
}

// twoWay is the pair of links between a and b.
func twoWay(k kind, a, b string) []link { return []link{{k, a, b}, {k, b, a}} }
