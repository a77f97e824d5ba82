#!/bin/sh
# After the files are unpacked. Nothing is enabled or started by an
# installation. After an upgrade the running agents are asked to make room for
# the new program: PostgreSQL is not stopped, started or reloaded here.
# Arguments: DEB configure [OLD VERSION]; RPM the number of versions there.
set -e

case ${1-} in
abort-upgrade | abort-remove | abort-deconfigure) exit 0 ;;
esac

# With systemd as the service manager of this host only: not in a chroot, an
# image being built, or a container.
if [ -d /run/systemd/system ]; then
	systemd-tmpfiles --create /usr/lib/tmpfiles.d/pgregent.conf || :
	systemctl daemon-reload || :
	# Each agent first tries whether the new program reads its configuration,
	# goes on as it is if not, and else leaves as soon as it has no work of its
	# own in hand; its unit starts the new one, which takes PostgreSQL over.
	# No signal goes to anybody else, and none to what is not running. A version
	# that does not know the signal ends by it, which comes to the same.
	systemctl list-units --plain --no-legend --state=active 'pgregent.service' 'pgregent@*.service' |
		while read -r unit _; do
			systemctl kill --kill-who=main --signal=SIGUSR2 "$unit" || :
		done
fi
