#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink check: every example is good, every mistake of lang/ is said word for word, exit codes, streams, JSON.
. "$(dirname "$0")/lib.sh"

# Each example that ships, by itself, without a warning.
n=0
for file in "$root"/examples/*.brink.yaml "$root"/examples/*/*.brink.yaml; do
	[ -f "$file" ] || continue
	n=$((n + 1))
	expect 0 check "$file"
	silent_err "check $file"
	grep -q "^ok $file: [0-9]* faults\?, [0-9]* checks\?$" "$out" || bad "check $file: no line of success"
done
[ "$n" -gt 0 ] || bad "no examples"

# Files with mistakes: NAME.yaml, and in NAME.expected what stderr must be, to the byte.
n=0
for file in "$here"/lang/*.yaml; do
	name=$(basename "$file" .yaml)
	n=$((n + 1))
	cp "$file" .
	brink check "$name.yaml"
	cmp -s "$err" "$here/lang/$name.expected" || {
		diff -u "$here/lang/$name.expected" "$err" >.io/diff
		bad "lang/$name"
		cat .io/diff
	}
	want=0
	! grep -q '^[1-9][0-9]* error\|^1 error' "$err" || want=3
	[ "$rc" = "$want" ] || bad "lang/$name: exit code not $want"
	[ "$want" = 0 ] || [ ! -s "$out" ] || bad "lang/$name: something on stdout beside mistakes"
	no_escape "lang/$name"
	expect "$want" check --json "$name.yaml"
	silent_err "check --json $name.yaml"
	jq -es --argjson rc "$want" 'length == 1 and (.[0] | .ok == ($rc == 0) and .exit_code == $rc and
		(.errors > 0) == ($rc == 3) and
		([.diagnostics[] | select(.level == "error")] | length) == ([.errors, 50 - .warnings] | min) and
		all(.diagnostics[]; .line >= 1 and .column >= 1 and .end_column > .column and
			(.code | test("^B[0-9]{4}$")) and (.message | length) > 0))' "$out" >/dev/null ||
		bad "check --json $name.yaml"
done
[ "$n" -ge 20 ] || bad "only $n files in lang/"

# More faults than one run can have: said once, at the first one too many.
many() { # $1: how many
	awk -v n="$1" 'BEGIN {
		print "brink: 1\nname: many\nsteady_state: [{tcp: \"127.0.0.1:7999\"}]\nfaults:"
		for (i = 1; i <= n; i++)
			print "  - net.drop: {to: \"127.0.0.1:" i "\"}"
	}' >many.yaml
	expect "$2" check many.yaml
}
many 1500 3
most=$(sed -n 's/.*error: a run has at most \([0-9]*\) faults, and here are 1500 \[B1019\]$/\1/p' "$err")
[ "${most:-0}" -ge 256 ] || bad "the largest number of faults is not said"
has "$err" "many.yaml:$((most + 5)):5: error: "
has "$err" "1 error, 0 warnings."
many "$most" 0

good=$root/examples/web-slow-db.brink.yaml
printf 'brink: 1\n' >wrong.yaml
expect 0 check "$good"
[ "$(cat "$out")" = "ok $good: 1 fault, 1 check" ] || bad "the line of success"
expect 0 check -q "$good"
[ ! -s "$out" ] || bad "check -q says something about a good file"
expect 3 check -q wrong.yaml
has "$err" "wrong.yaml:1:1: error:"

# Several files: each is told, the worst one counts, one that cannot be opened least of all.
expect 3 check "$good" wrong.yaml "$good"
[ "$(grep -c '^ok ' "$out")" = 2 ] || bad "two good files beside a wrong one"
expect 3 check wrong.yaml nowhere.yaml
has "$err" "cannot open 'nowhere.yaml': No such file or directory"
expect 2 check "$good" nowhere.yaml
expect 3 check --json "$good" wrong.yaml nowhere.yaml
jq -es 'length == 3 and .[0].ok and .[1].exit_code == 3 and .[2].exit_code == 2 and
	(.[2].error | test("cannot open"))' "$out" >/dev/null || bad "three files in JSON"

# Paths that are no regular files: exit code 2, and never a hang.
mkfifo fifo
mkdir folder
refused 2 "nowhere.yaml" check nowhere.yaml
refused 2 "fifo" check fifo
refused 2 "folder" check folder
refused 2 "/dev/zero" check /dev/zero
printf 'brink: 1\n' >-x.yaml
expect 3 check -- -x.yaml
has "$err" "-x.yaml:1:1: error:"
if [ "$(id -u)" != 0 ]; then
	: >locked
	chmod 0 locked
	refused 2 "Permission denied" check locked
fi

# Hostile sizes end soon, with a sentence.
head -c 100000000 /dev/zero | tr '\0' 'a' >big
refused 3 "big" check big
{ printf 'brink: 1\nname: '; head -c 10000 /dev/zero | tr '\0' '['; } >deep
refused 3 "deep:" check deep
head -c 3000 /dev/urandom >noise
refused 3 "noise:" check noise

# Variables from outside.
cat >vars.yaml <<'EOF'
brink: 1
name: x
vars: {base: {required: true}}
steady_state: [{http: "${base}/"}]
faults: [{net.delay: {to: localhost, delay: 5ms}}]
EOF
refused 3 "base" check vars.yaml
expect 0 check --var base=http://localhost vars.yaml
expect 0 check vars.yaml --var=base=http://localhost
printf 'base=http://localhost\n' >vars
expect 0 check --var-file vars vars.yaml
refused 3 "'ftp" check --var-file vars --var base=ftp://x vars.yaml
refused 2 "nosuch" check --var base=http://localhost --var nosuch=1 vars.yaml
refused 2 "vars-nowhere" check --var-file vars-nowhere vars.yaml

# Colour of the mistakes.
expect 3 --color=always check wrong.yaml
escape "mistakes with --color=always" "$err"
expect 0 --color=always check "$good"
escape "ok with --color=always" "$out"
printf 'brink: 1\nx\033[31m: 1\n' >escape.yaml
expect 3 check escape.yaml
no_escape "a file with escape sequences"
finish
