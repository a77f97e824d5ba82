#!/bin/sh
# Installs what building and testing needs besides Go: the PostgreSQL server,
# ZooKeeper with a Java runtime, HAProxy, pgBackRest, iproute2 for the tests'
# network namespaces, protoc for "make proto", and on Debian gRPC for Python,
# for the plugin that is written in it; with --with-patroni also
# Patroni's package: an independent client of our clusters, and an independent
# agent for mixed ones, and on Debian Prometheus for its promtool; with
# --with-wrk also wrk, which loads the REST API; with --with-packaging what
# checks packages; with --with-browser Chromium, which looks at the cluster
# page; with --with-prometheus Prometheus itself. Only what is missing is
# installed, with apt-get or dnf, through sudo if this is not root.
#
# No service is started and no database cluster is created: the tests start
# their own servers. A PostgreSQL, ZooKeeper or HAProxy that runs already is
# not touched.
set -eu

usage() {
	echo "usage: $0 [--with-patroni] [--with-wrk] [--with-packaging] [--with-browser] [--with-prometheus]" >&2
	exit 2
}

with_patroni=no
with_wrk=no
with_packaging=no
with_browser=no
with_prometheus=no
for arg in "$@"; do
	case $arg in
	--with-patroni) with_patroni=yes ;;
	--with-wrk) with_wrk=yes ;;
	--with-packaging) with_packaging=yes ;;
	--with-browser) with_browser=yes ;;
	--with-prometheus) with_prometheus=yes ;;
	*) usage ;;
	esac
done

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# has_postgres: all programs that the agent runs, of one installation.
has_postgres() {
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/bin; do
		complete=yes
		for program in postgres initdb pg_ctl pg_controldata pg_basebackup pg_isready pg_rewind; do
			[ -x "$dir/$program" ] || complete=no
		done
		[ "$complete" = no ] || return 0
	done
	return 1
}

has_zookeeper() {
	[ -e /usr/share/java/zookeeper.jar ] || {
		[ -n "${ZOOKEEPER_HOME:-}" ] && [ -d "$ZOOKEEPER_HOME/lib" ]
	}
}

# has_patroni: the agent, its command line tool, and their ZooKeeper client,
# which the package leaves to choose among several stores' clients.
has_patroni() {
	have patroni && have patronictl && /usr/bin/python3 -c 'import kazoo' 2>/dev/null
}

# missing lists what is needed and not there, one word each.
missing() {
	has_postgres || echo postgresql
	has_zookeeper || echo zookeeper
	have java || echo java
	have haproxy || echo haproxy
	have ip || echo iproute2
	have protoc || echo protobuf-compiler
	have pgbackrest || echo pgbackrest
	# For the plugin in Python; elsewhere its test is skipped.
	! have apt-get || /usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null || echo python-grpc
	[ "$with_patroni" = no ] || has_patroni || echo patroni
	[ "$with_wrk" = no ] || have wrk || echo wrk
	if [ "$with_packaging" = yes ]; then
		for program in lintian rpmlint rpm debsig-verify debootstrap gpg shellcheck; do
			have "$program" || echo "$program"
		done
	fi
	[ "$with_browser" = no ] || have chromium || echo chromium
	[ "$with_prometheus" = no ] || have prometheus || echo prometheus
	# promtool checks the alerts that we ship; elsewhere that test is skipped.
	[ "$with_patroni" = no ] || ! have apt-get || have promtool || echo prometheus
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		echo "$0: run this as root, or install sudo" >&2
		exit 1
	fi
}

# apt_packages translates the words into Debian's package names.
apt_packages() {
	for word in $1; do
		case $word in
		postgresql) echo postgresql ;;
		# Debian's zookeeper package has the jars as a dependency; slf4j-simple
		# comes with libslf4j-java.
		zookeeper) echo zookeeper libslf4j-java ;;
		java) echo default-jre-headless ;;
		patroni) echo patroni python3-kazoo ;;
		python-grpc) echo python3-grpcio python3-protobuf openssl ;;
		*) echo "$word" ;;
		esac
	done
}

policy=/usr/sbin/policy-rc.d
policy_kept=

# deny_starts makes invoke-rc.d and deb-systemd-invoke start nothing until
# allow_starts, which runs at exit.
deny_starts() {
	trap allow_starts EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		policy_kept=$policy.kept-by-deps.$$
		as_root mv "$policy" "$policy_kept"
	fi
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

allow_starts() {
	as_root rm -f "$policy"
	if [ -n "$policy_kept" ]; then
		as_root mv "$policy_kept" "$policy"
	fi
}

# no_main_cluster keeps postgresql-common from creating a cluster, unless the
# package is there already and its administrator has decided.
no_main_cluster() {
	if dpkg-query -W -f '${Status}' postgresql-common 2>/dev/null | grep -q 'ok installed'; then
		return
	fi
	as_root mkdir -p /etc/postgresql-common/createcluster.d
	echo 'create_main_cluster = false' |
		as_root tee /etc/postgresql-common/createcluster.d/pgregent.conf >/dev/null
}

install_apt() {
	# shellcheck disable=SC2046 # one word is one package
	set -- $(apt_packages "$1")
	deny_starts
	no_main_cluster
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# install_dnf installs what Fedora and Red Hat package; their packages start
# nothing by themselves. ZooKeeper is not among them.
install_dnf() {
	packages=
	for word in $1; do
		case $word in
		postgresql) packages="$packages postgresql-server postgresql-contrib" ;;
		java) packages="$packages java-headless" ;;
		iproute2) packages="$packages iproute" ;;
		patroni) packages="$packages patroni patroni-zookeeper" ;;
		zookeeper) ;;
		*) packages="$packages $word" ;;
		esac
	done
	if [ -n "$packages" ]; then
		# shellcheck disable=SC2086 # one word is one package
		as_root dnf install -y $packages
	fi
}

zookeeper_help() {
	cat >&2 <<'END'
ZooKeeper is missing, and this system does not package it. Get a release of
ZooKeeper 3.8 or later from https://zookeeper.apache.org/releases.html, unpack
it, and set ZOOKEEPER_HOME to its directory, which has lib/zookeeper-*.jar.
END
}

need=$(missing)
if [ -z "$need" ]; then
	echo "all test dependencies are installed"
	exit 0
fi
# shellcheck disable=SC2086 # one line for all words
echo "installing:" $need
if have apt-get; then
	install_apt "$need"
elif have dnf; then
	install_dnf "$need"
else
	echo "$0: neither apt-get nor dnf is here; install these by hand:" >&2
	echo "$need" >&2
	exit 1
fi

left=$(missing)
if [ -n "$left" ]; then
	# shellcheck disable=SC2086 # one line for all words
	echo "still missing:" $left >&2
	case $left in *zookeeper*) zookeeper_help ;; esac
	exit 1
fi
