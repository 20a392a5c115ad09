#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What brink says about itself: help of every command and topic, width, colour, the manual's twin.
. "$(dirname "$0")/lib.sh"

expect 2
golden "$err" short.txt
[ "$(wc -l <"$err")" = 12 ] || bad "brink alone: not 12 lines"
[ ! -s "$out" ] || bad "brink alone: it was not asked for, and is on stdout"

expect 0 help
golden "$out" help.txt
silent_err "help"
narrow "help"
no_escape "help in a pipe"
cp "$out" overview
for how in -h --help "help -q"; do
	# shellcheck disable=SC2086
	expect 0 $how
	cmp -s "$out" overview || bad "brink $how is not brink help"
done

verbs=$(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' overview)
[ "$(echo "$verbs" | wc -w)" = 15 ] || bad "15 commands, not: $verbs"
for verb in $verbs; do
	expect 0 "$verb" -h
	silent_err "$verb -h"
	narrow "$verb -h"
	no_escape "$verb -h"
	head -n 1 "$out" | grep -q '^Example' || bad "$verb -h does not begin with an example"
	grep -q "^  \(sudo \)\?brink $verb" "$out" || bad "$verb -h has no example of itself"
	[ "$(grep -n '^Usage' "$out" | cut -d: -f1)" -lt "$(grep -n '^Flags' "$out" | head -n 1 | cut -d: -f1)" ] ||
		bad "$verb -h: usage does not stand before the flags"
	cp "$out" this
	expect 0 help "$verb"
	cmp -s "$out" this || bad "brink help $verb is not brink $verb -h"
	# every example is a command line that the parser takes: with -h behind the command's own words
	while read -r line; do
		eval "set -- ${line#*brink }"
		words=()
		for w; do
			[ "$w" != -- ] || break
			words+=("$w")
		done
		expect 0 "${words[@]}" -h
	done < <(sed -n '/^Example/,/^$/s/^  //p' this)
done
expect 0 run -h
golden "$out" run-h.txt
expect 0 try -h
golden "$out" try-h.txt

# What is not in this version is not in the help.
for verb in $verbs; do
	expect 0 "$verb" -h
	for word in watch report schedule fleet agent completion '--only' '--junit' '--html' '--force' '--no-revert' '--ci'; do
		! grep -qw -- "$word" "$out" || [ "$word" = report ] || bad "$verb -h speaks of $word"
	done
done

for topic in exit-codes environment language safety policy; do
	expect 0 help $topic
	silent_err "help $topic"
	narrow "help $topic"
	[ "$(wc -l <"$out")" -ge 5 ] || bad "help $topic is empty"
done
expect 0 help exit-codes
golden "$out" exit-codes.txt

# Colour is for terminals.
expect 0 --color=always help
escape "--color=always" "$out"
sed 's/\x1b\[[0-9;]*m//g' "$out" | cmp -s - overview || bad "colour changes the words"
set_env=(CLICOLOR_FORCE=1)
expect 0 help
escape "CLICOLOR_FORCE=1" "$out"
expect 0 --color=never help
no_escape "--color=never over CLICOLOR_FORCE"
set_env=(CLICOLOR_FORCE=0)
expect 0 help
no_escape "CLICOLOR_FORCE=0"
set_env=(NO_COLOR=1)
expect 0 --color=always help
escape "--color=always over NO_COLOR" "$out"

terminal() { # $1: settings; the output of brink help in a terminal of its own
	script -qec "env -i PATH='$PATH' $1 '$BRINK' help" /dev/null >"$out" </dev/null
	good
}
terminal TERM=xterm
escape "in a terminal" "$out"
terminal TERM=dumb
no_escape "TERM=dumb"
terminal ""
no_escape "without TERM"
terminal "TERM=xterm NO_COLOR=1"
no_escape "NO_COLOR in a terminal"
terminal "TERM=xterm NO_COLOR="
escape "an empty NO_COLOR" "$out"
set_env=()

# A config file gives the default, a flag wins over it.
printf 'color: always\n' >config.yaml
expect 0 --config config.yaml help
escape "color: always in a config file" "$out"
expect 0 --config config.yaml --color=never help
no_escape "a flag over the config file"
printf 'colour: always\n' >config.yaml
refused 2 "config.yaml:1:1: error: unknown key 'colour' in config" --config config.yaml help
has "$err" "did you mean 'color'?"
refused 2 "cannot open 'nowhere.yaml'" --config nowhere.yaml help

# Output that cannot be written is no success.
env -i "$BRINK" help >/dev/full 2>"$err"
rc=$?
[ $rc = 2 ] || bad "a full disk: exit code $rc"
has "$err" "cannot write the output"

expect 0 version
grep -qx 'brink [0-9]*\.[0-9]*\.[0-9]*' "$out" || bad "version"
silent_err version
cp "$out" version
expect 0 --version
cmp -s "$out" version || bad "--version is not version"
expect 0 version --json
jq -e '.language == 1 and (.version | test("^[0-9]"))' "$out" >/dev/null || bad "version --json"
finish
