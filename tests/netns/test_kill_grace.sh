#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# proc.kill with a grace that is longer than the keeper may take for an answer otherwise (10 s): to the end, and to the
# process that ends by itself within it.
# shellcheck disable=SC1091,SC2154,SC2016
. "$(dirname "$0")/net_lib.sh"

victim=
trap 'rc=$?; set +e; [ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null; (exit $rc); clean_up' EXIT
two_spaces
serve "$b" 127.0.0.1 7999

victim() { # $1: what it does with SIGTERM
	bash -c "trap '$1' TERM; echo >'$dir/ready'; while :; do sleep 0.1; done" 7>&- &
	victim=$! # hears no SIGTERM of clean_up
	await '[ -e "$dir/ready" ]' 10 || fail "the victim does not start"
	rm "$dir/ready"
}
is_gone() { ! kill -0 "$victim" 2>/dev/null; }

kill_it() { # $1: grace
	experiment kill <<-END
		targets:
		  victim: {process: {pid: $victim}}
		faults:
		  - proc.kill: {target: victim, grace: $1}
	END
	began=$(date +%s)
	rc=0
	"$BRINK" run --yes "$dir/kill.yaml" >"$dir/kill.out" 2>"$dir/kill.err" || rc=$?
	took=$(($(date +%s) - began))
	[ $rc = 0 ] || fail "exit $rc, grace $1: $(cat "$dir/kill.err")"
	is_gone || fail "it lives, grace $1: $(cat "$dir/kill.err")"
}

victim ''
kill_it 12s
[ $took -ge 11 ] || fail "killed after $took s"
wait "$victim" || rc=$?
[ $rc = 137 ] || fail "ended with $rc, not by SIGKILL"

victim 'exit 3'
kill_it 60s
[ $took -lt 30 ] || fail "$took s for one that ended at once"
