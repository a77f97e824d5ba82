package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// defaultZooKeeperPort and defaultPostgresPort are taken where a host has no
// port.
const (
	defaultZooKeeperPort = 2181
	defaultPostgresPort  = 5432
)

// splitAddress splits hosts[:port]. The port is what follows the last colon;
// hosts may be several, comma separated, and IPv6 hosts are in brackets.
// Without a port it is def; if def is 0, a port is required.
func splitAddress(s string, def int) (hosts string, port int, err error) {
	s = strings.TrimSpace(s)
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		if def == 0 {
			return "", 0, errors.New("must be host:port")
		}
		return s, def, nil
	}
	port, err = strconv.Atoi(s[i+1:])
	if err != nil || port < 1 || port > 65535 {
		return "", 0, errors.New("must be host:port with a port from 1 to 65535")
	}
	return s[:i], port, nil
}

// unbracket returns an IPv6 host without its brackets.
func unbracket(host string) string {
	host = strings.TrimSpace(host)
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return host
}

// isWildcard reports whether a host stands for all addresses.
func isWildcard(host string) bool {
	switch host {
	case "", "*", "0.0.0.0", "::":
		return true
	}
	return false
}

// checkHost returns why host cannot be one, or nil.
func checkHost(host string) error {
	if strings.ContainsAny(host, " \t/'\"\\@") {
		return fmt.Errorf("%q is not a host name or address", host)
	}
	return nil
}

// joinAddress writes host:port with brackets where IPv6 needs them.
func joinAddress(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// parseZooKeeperHosts reads a list, or a comma-separated text, of
// host[:port]. What follows the first slash of the last host is the chroot.
func parseZooKeeperHosts(items []string) (hosts []string, chroot string, err error) {
	joined := strings.TrimSpace(strings.Join(items, ","))
	if i := strings.IndexByte(joined, '/'); i >= 0 {
		joined, chroot = joined[:i], strings.TrimRight(joined[i:], "/")
		if strings.Contains(chroot, ",") || strings.Contains(chroot, "//") {
			return nil, "", errors.New("the path (chroot) must follow the last host only, as in a:2181,b:2181/path")
		}
	}
	for item := range strings.SplitSeq(joined, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		host, port, err := splitAddress(item, defaultZooKeeperPort)
		if err == nil && unbracket(host) == "" {
			err = errors.New("must be host or host:port")
		}
		if err == nil {
			err = checkHost(host)
		}
		if err != nil {
			return nil, "", err
		}
		hosts = append(hosts, joinAddress(unbracket(host), port))
	}
	if len(hosts) == 0 {
		return nil, "", errors.New("must name at least one host[:port]")
	}
	return hosts, chroot, nil
}
