#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# step.sh kill|stop|fail|recovery|random: strikes brink at its system calls, for every fault of the registry, in several
# worlds at once, and adds up what they counted. Run by test_step_*.sh with few points, by `make soak` with all.
#   STEP=N          every Nth point (call)            EVERY_ERRNO=1  each call meets every errno, once and for ever
#   POINTS=N        instead: about N of all faults    PATIENCE_MS=N  fail: the run must end in this time
#   RUNS=N FROM=N   random: how many, from which      WORLDS=N       how many at once
#   SOAK_FAULT=NAME only this fault                   PART=I/N       every Nth of all that, from the Ith on (0, 1, ...)
set -u
: "${BRINK:?}" "${BUILD:?}"
here=$(dirname "$(realpath "$0")")
if [ "$(id -u)" != 0 ]; then
	echo "needs root"
	exit 77
fi
export STEP=${STEP:-1} RUNS=${RUNS:-500} FROM=${FROM:-1} PART=${PART:-0/1}
worlds=${WORLDS:-6}
out=$(mktemp -d)
export STEP_CGROUP=brink-step-${out##*.}
pids=()
mkdir "$out/shared"
tell() {
	grep -hv '^count ' "$out"/[0-9]* | awk '!/^#/ || !seen[$0]++'
	awk '$1 == "count" { n[$2] += $3 } END { for (k in n) print "# counted: " k, n[k] }' "$out"/[0-9]* | sort
}
# shellcheck disable=SC2317 # called by the trap
leave() {
	kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$out"
	rmdir /sys/fs/cgroup{,/unified}/"$STEP_CGROUP"-* 2>/dev/null # of worlds that were killed
	return 0
}
trap leave EXIT
trap 'echo "cut off"; tell; exit 1' TERM INT
for ((i = 0; i < worlds; i++)); do
	SHARED=$out/shared "$here/step_world.sh" "$1" $i "$worlds" >"$out/$i" 2>&1 &
	pids+=($!)
done
code=0
for pid in "${pids[@]}"; do wait "$pid" || code=1; done
tell
exit $code
