#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink new: starters that pass brink check, never over another file.
. "$(dirname "$0")/lib.sh"

for from in web db queue; do
	expect 0 new first-$from --from $from
	[ ! -s "$out" ] || bad "new: talk on stdout"
	has "$err" "wrote first-$from.brink.yaml"
	has "$err" "next: brink check first-$from.brink.yaml"
	head -n 1 first-$from.brink.yaml | grep -q '^# yaml-language-server: \$schema=' || bad "no modeline"
	grep -q '^name: "first-'$from':' first-$from.brink.yaml || bad "the name is not in the file"
	! grep -q '%' first-$from.brink.yaml || grep -q '[0-9]%' first-$from.brink.yaml || bad "a stray percent sign"
	expect 0 check first-$from.brink.yaml
	silent_err "check of the starter $from"
	expect 0 new - --from=$from
	silent_err "new -"
	sed "s/name: \"$from:/name: \"first-$from:/" "$out" | cmp -s - first-$from.brink.yaml || bad "new - is another file"
done

expect 0 new
[ -f web.brink.yaml ] || bad "without a name: web"
cp web.brink.yaml before
refused 2 "'web.brink.yaml' is there already; nothing was written" new web
cmp -s web.brink.yaml before || bad "the file was changed"
ln -s nowhere dangling.brink.yaml
refused 2 "is there already" new dangling
[ ! -e nowhere ] || bad "written through a symbolic link"

mkdir sub
expect 0 new sub/one.brink.yaml
[ -f sub/one.brink.yaml ] || bad "a path with its suffix"
refused 2 "cannot make 'no/folder.brink.yaml': No such file or directory" new no/folder
refused 2 "this is not a good name" new 'a b'
refused 2 "this is not a good name" new 'sub/'
refused 2 "this is not a good name" new '"x'
refused 2 "this is not a good name" new "$(printf 'x%.0s' {1..80})"
refused 2 "--from=gameday is not in this version" new x --from gameday
refused 2 "there is no such starter" new x --from cloud
[ ! -e x.brink.yaml ] || bad "refused, but written"
expect 0 new --json j
jq -e '.file == "j.brink.yaml"' "$out" >/dev/null || bad "new --json"
expect 0 new -q quiet
silent_err "new -q"

# No half of a file stays behind.
(
	ulimit -f 0
	trap '' XFSZ
	env -i "$BRINK" new full >"$out" 2>"$err"
)
rc=$?
[ $rc = 2 ] || bad "a full disk: exit code"
[ ! -e full.brink.yaml ] || bad "a full disk: an empty file was left behind"
finish
