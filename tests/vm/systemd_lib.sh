# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# For the tests with systemd as PID 1; sourced, never run by itself. On top of the lab of two namespaces.
# shellcheck disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/../netns/net_lib.sh"

lease_s=3
slack_s=2
chances=0 # ways to die after which everything was read back as restored

units() { systemctl list-units --all --plain --no-legend "brink-dm-*" "brink-keeper-*" | awk '{ print $1 }'; }
timer_of() { echo "brink-dm-$(tr '[:upper:]' '[:lower:]' <<<"$1").timer"; }
scope_of() { echo "brink-keeper-$(tr '[:upper:]' '[:lower:]' <<<"$1").scope"; }
property() { systemctl show --value --property="$2" "$1"; }
no_timer() { await '[ -z "$(units)" ]' 10 || fail "$1: a unit is left: $(units)"; }
udp() { in_a "$meter" udp 10.77.0.2 7101 1 1000; }
rtt_ms() { echo $(($(figure "$(udp)" median_us) / 1000)); }
is_quick() { # the fault is not felt any more
	local ms
	ms=$(rtt_ms)
	[ "$ms" -ge 0 ] && [ "$ms" -lt 200 ]
}
dropped() { [ "$(figure "$(udp)" lost)" = 1 ]; }
ifb_there() { ip -n "$a" -o link show type ifb | grep -q brink; }
all_of_brink() { # processes that run an executable of brink: this machine is the test's own. No fork: it must be quick
	local p exe
	for p in /proc/[0-9]*; do
		for exe in "$BUILD"/brink "$BUILD"/brink-* /usr/local/bin/brink /usr/local/libexec/brink/brink-*; do
			if [ "$p/exe" -ef "$exe" ]; then
				echo "${p#/proc/}"
				break
			fi
		done
	done
}
is_waiting() { [ "$(property "$1" ActiveState) $(property "$1" SubState)" = "active waiting" ] || fail "$1 does not wait"; }
# "14min 3.5s" to seconds
to_seconds() {
	tr ' ' '\n' | awk '/min$/ { s += 60 * $1; next } /ms$|us$/ { next } /h$/ { s += 3600 * $1; next } { s += $1 }
		END { printf "%d\n", s }'
}
uptime_s() { cut -d. -f1 /proc/uptime; }
# The wall clock goes back and forth here: $1 seconds by the other one
upto() {
	local end=$(($(uptime_s) + $1))
	shift
	until "$@"; do
		[ "$(uptime_s)" -lt $end ] || return 1
		sleep 0.1
	done
}
# What `make install` has put below BUILD/installed, and PID 1 told about it.
install_brink() {
	[ -d "$BUILD/installed" ] || fail "make install DESTDIR=$BUILD/installed comes first"
	cp -a "$BUILD/installed/." /
	BRINK=/usr/local/bin/brink
	systemctl daemon-reload
}
survived() { # $1: in words
	chances=$((chances + 1))
	echo "# $1"
}
