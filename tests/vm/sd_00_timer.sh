#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The second lab: systemd is PID 1, and a timer of its own fires.
set -eu

fail() {
	echo "FAIL: $*"
	exit 1
}

[ "$(cat /proc/1/comm)" = systemd ] || fail "PID 1 is '$(cat /proc/1/comm)'"
[ -d /run/systemd/system ] || fail "systemd does not say that it runs"
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || fail "no cgroup2 at /sys/fs/cgroup"
systemd-run --quiet --on-active=2 --timer-property=AccuracySec=100ms --unit=lab touch /run/lab-fired
[ ! -e /run/lab-fired ] || fail "fired at once"
[ "$(systemctl is-active lab.timer)" = active ] || fail "the timer is '$(systemctl is-active lab.timer)'"

deadline=$((SECONDS + 60))
until [ -e /run/lab-fired ]; do
	[ $SECONDS -lt $deadline ] || fail "the timer did not fire within 60 s"
	sleep 0.1
done
