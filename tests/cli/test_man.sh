#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages: clean for mandoc, and with everything in them that the program has.
. "$(dirname "$0")/lib.sh"

man=$BUILD/docs
for page in brink.1 brink-experiment.5 brink-policy.5; do
	# whether pages of other packages are installed here says nothing about ours
	mandoc -T lint "$man/$page" 2>&1 | grep -v 'referenced manual not found\|outdated mandoc.db' >lint
	[ ! -s lint ] || { bad "$page" && cat lint; }
	mandoc -T utf8 -O width=78 "$man/$page" 2>&1 | sed 's/.\x08//g' | tr -s '\n\t ' ' ' >"$page.txt"
	good
done
! grep -q '@[A-Z]*@' "$man"/*.[15] || bad "a table was not filled in"

expect 0 help
while read -r verb; do
	expect 0 "$verb" -h
	for flag in $(grep -o -- '--[a-z][a-z-]*' "$out" | sort -u); do
		has brink.1.txt "$flag"
	done
	has brink.1.txt "$verb"
done < <(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' "$out")
for section in ENVIRONMENT FILES "EXIT STATUS" EXAMPLES "SIGNALS AND TERMINALS"; do
	has brink.1.txt "$section"
done
for code in 0 1 2 3 4 5 6 7 8 9 20 77; do
	expect 0 explain "$code"
	has brink.1.txt "$(sed 's/^exit code \([0-9]*\), \([a-z ]*\): .*/\1 \2:/' "$out")"
done
for what in "Ctrl-C, once" "Ctrl-C, twice" Ctrl-Z "closed terminal" "suspend, resume" SIGTERM logout; do
	has brink.1.txt "$what"
done

expect 0 list faults
for fault in $(grep -o '^[a-z._]*' "$out"); do
	has brink-experiment.5.txt " $fault "
	expect 0 explain "$fault" --json
	while read -r line; do
		has brink-experiment.5.txt "$line"
	done < <(jq -r '.keys[] | .name + " " + .type' "$out")
done
for block in experiment check fault limits limits.deny abort abort.when targets vars report; do
	expect 0 explain "$block" --json
	while read -r line; do
		has brink-experiment.5.txt "$line"
	done < <(jq -r '.keys[] | .name + " " + .type' "$out")
done
for block in policy policy.rule policy.max; do
	expect 0 explain "$block" --json
	while read -r line; do
		has brink-policy.5.txt "$line"
	done < <(jq -r '.keys[] | .name + " " + .type' "$out")
done
finish
