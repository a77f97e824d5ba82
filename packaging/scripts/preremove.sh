#!/bin/sh
# Before the files go. A removal stops the agents in order: each hands its
# leadership over and stops its PostgreSQL, since nobody would guard it any
# more (in pause it is left running). An upgrade stops nothing.
# Arguments: DEB remove|upgrade|deconfigure; RPM the number of versions left.
set -e

case ${1-} in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl stop pgregent.service 'pgregent@*.service' || :
	systemctl --no-reload disable pgregent.service 'pgregent@.service' >/dev/null 2>&1 || :
fi
