#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink list and brink explain: every fault, key and code of this version has its page.
. "$(dirname "$0")/lib.sh"

faults="net.delay net.loss net.duplicate net.corrupt net.reorder net.rate net.slot net.impair net.drop net.dns net.partition net.reset net.port_taken net.link_down net.mtu proc.kill proc.pause disk.fill"
expect 0 list faults
silent_err "list faults"
narrow "list faults"
[ "$(grep -o '^[a-z._]*' "$out" | xargs)" = "$faults" ] || bad "list faults"
for class in self-ending one-shot; do
	has "$out" "$class"
done
! grep -q 'said in the plan' "$out" || bad "a fault without a class"
expect 0 list faults --json
jq -es --argjson n "$(wc -w <<<"$faults")" 'length == $n and all(.[]; .fault and .class and .summary)' "$out" >/dev/null || bad "list faults --json"
expect 0 list probes
[ "$(grep -o '^[a-z_]*' "$out" | xargs)" = "http tcp command process_up" ] || bad "list probes"
expect 0 list probes --json
jq -es 'map(.probe) == ["http", "tcp", "command", "process_up"]' "$out" >/dev/null || bad "list probes --json"
expect 0 list targets
[ "$(grep -o '^[a-z_]*' "$out" | xargs)" = "process flow path" ] || bad "list targets"
narrow "list targets"
expect 0 list targets --json
jq -es 'map(.target) == ["process", "flow", "path"]' "$out" >/dev/null || bad "list targets --json"

# Each fault: class, undo, an example that brink check accepts, and each of its keys by itself.
for fault in $faults; do
	expect 0 explain $fault
	silent_err "explain $fault"
	narrow "explain $fault"
	no_escape "explain $fault"
	for word in class undo "in a file" "brink try $fault"; do
		has "$out" "  $word"
	done
	{
		printf 'brink: 1\nname: x\nsteady_state: [{http: http://localhost/}]\n'
		echo 'faults:'
		sed -n '/in a file/{n;p}' "$out"
	} >example.yaml
	expect 0 check example.yaml
	expect 0 explain $fault --json
	jq -e --arg f $fault '.kind == "fault" and .name == $f and (.class | length) > 0 and (.undo | length) > 0 and
		(.keys | length) > 0 and all(.keys[]; .name and .type and (.doc | length) > 0)' "$out" >/dev/null ||
		bad "explain $fault --json"
	for key in $(jq -r '.keys[].name' "$out"); do
		expect 0 explain $fault.$key
		has "$out" "$key, a key of $fault"
	done
done
expect 0 explain net.delay
golden "$out" explain-net.delay.txt

# Every key that help language names, and every block.
expect 0 help language
for key in $(sed -n '/^Top level keys/,/^$/s/^  \([a-z_]*\) .*/\1/p' "$out") http tcp process_up check experiment \
	limits.deny limits.deny.paths abort.when abort.when.for steady_state.http.url every for recovers_within pick.seed; do
	expect 0 explain "$key"
	silent_err "explain $key"
	narrow "explain $key"
done
expect 0 explain for
has "$out" "for, a key of fault"
has "$out" "for, a key of abort.when"
expect 0 explain promql
has "$out" "not in this version"

# Codes, in both spellings; every code that exists.
expect 0 explain B1042
golden "$out" explain-B1042.txt
cp "$out" code
expect 0 explain b1042
cmp -s "$out" code || bad "b1042 is not B1042"
for code in $(grep -o 'X([0-9]*' "$root/base/codes_table.h" | grep -o '[0-9]*'); do
	expect 0 explain "B$code"
	narrow "explain B$code"
	[ "$(wc -l <"$out")" -ge 3 ] || bad "explain B$code is empty"
done
expect 0 explain B1042 --json
jq -e '.kind == "code" and .code == 1042' "$out" >/dev/null || bad "explain B1042 --json"
refused 2 "nothing is called 'B9999'" explain B9999
expect 0 explain 20
has "$out" "exit code 20, not clean"
expect 0 explain exit-codes
refused 2 "nothing is called '\\x1b'" explain $'\033'
refused 2 "nothing is called 'nosuchthingatall'" explain nosuchthingatall
refused 2 "did you mean 'jitter'?" explain jiter
expect 0 --color=always explain net.delay
escape "explain --color=always" "$out"
finish
