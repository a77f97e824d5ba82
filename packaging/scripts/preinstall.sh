#!/bin/sh
# Before the files are unpacked: the user who owns them. PostgreSQL's packages
# make the same one when they come first.
# Arguments: DEB install|upgrade [VERSION]; RPM the number of versions there.
set -e

getent group postgres >/dev/null || groupadd --system postgres
if ! getent passwd postgres >/dev/null; then
	# As Debian's and Red Hat's PostgreSQL packages have it.
	if [ -e /etc/debian_version ]; then home=/var/lib/postgresql; else home=/var/lib/pgsql; fi
	useradd --system --gid postgres --home-dir "$home" --shell /bin/bash \
		--comment "PostgreSQL administrator" postgres
fi
