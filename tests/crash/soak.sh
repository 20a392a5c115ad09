#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make soak: the whole of what test_step_*.sh take a sample of. Many hours. SOAK_MODES: only these; SOAK_PART=I/N: of kill,
# stop, recovery and fail every Nth trial, from the Ith on, so that it can be done in parts; SOAK_FAULT=NAME: only this
# fault; SOAK_RUNS=10000: random runs, from number FROM=1 on; WORLDS: how many at once. A failing call meets one errno
# after each fault, and every errno after one fault or another; with SOAK_FAULT every errno after that fault.
set -u
here=$(dirname "$(realpath "$0")")
results=${RESULTS:-${BUILD:?}/results}/soak.log
mkdir -p "$results"
export STEP=1 PART=${SOAK_PART:-0/1} WORLDS=${WORLDS:-12} RUNS=${SOAK_RUNS:-10000} EVERY_ERRNO=1 PATIENCE_MS=180000
code=0
for mode in ${SOAK_MODES:-kill stop recovery fail random}; do
	began=$SECONDS
	"$here/../support/alone" "$here/step.sh" "$mode" >"$results/$mode" 2>&1 </dev/null || code=1
	cat "$results/$mode"
	echo "# soak: $mode took $((SECONDS - began)) s"
done
awk '/^# counted: / { n[$3] += $4 } END { for (k in n) print "# soak: " k, n[k] }' "$results"/* | sort
exit $code
