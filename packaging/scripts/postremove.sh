#!/bin/sh
# After the files are gone. Data directories, state directories and whatever
# the administrator put into /etc/pgregent stay, also at a purge: only the
# package's own configuration files are dpkg's to remove.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
fi
