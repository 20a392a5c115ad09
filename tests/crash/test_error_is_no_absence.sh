#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What cannot be read is not gone: while the recovery's reads fail it never says clean, and afterwards it finds all.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/crash/faults.sh
. "$(dirname "$0")/faults.sh"
# shellcheck source=tests/crash/guard_lib.sh
. "$(dirname "$0")/guard_lib.sh"

one() { # fault, what fails
	case_name="$1, $2"
	fault_ready "$1"
	"$tool" set
	fault_experiment "$1" 60s "$FAST"
	held
	kill_all
	"$tool" set "$2"
	"$BRINK" revert --all >"$dir/revert" 2>&1
	rc=$?
	[ "$(figure refused)" -gt 0 ] || fail "nothing failed"
	[ $rc = 20 ] || fail "exit $rc while nothing could be read: $(cat "$dir/revert")"
	! grep -q '^CLEAN' "$dir/revert" || fail "clean, unread"
	"$tool" set
	restored
}

victim_start
mkdir -p /run/brink/locks
state >"$dir/before"
for code in EIO ENOMEM EMFILE; do
	[ -n "${1:-}" ] && [ "$1" != process ] || one proc.pause+stop "open=recover:$code:stat"
	[ -n "${1:-}" ] && [ "$1" != netlink ] || one net.drop "netlink=recover:$code"
done
[ -n "${1:-}" ] || one net.drop "netlink=recover:ENOBUFS"
