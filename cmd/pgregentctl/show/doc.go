// Package show turns a view of a cluster into what operators and scripts read:
// the member table, the topology and the history, as a drawn table,
// tab-separated text, JSON or YAML.
//
// The columns are those of Patroni's own tool, of the release that a [Level]
// names. The package is pure.
package show
