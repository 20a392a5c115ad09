#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink demo as root and as an ordinary user: twice in a row, from a path with blanks, and where it cannot be.
# shellcheck disable=SC1091
. "$(dirname "$0")/demo_lib.sh"

where="$dir/a demo  here"
copy_build "$where"
demo_once root "$where" "${as_root[@]}"
demo_once user "$where" "${as_user[@]}"
grep -q 'in a user namespace, without root' "$dir/user.err" || fail "user: not in a user namespace"

# Where namespaces are forbidden it says by what. The limit is that of a user namespace of our own.
rc=0
# shellcheck disable=SC2016 # for the inner shell
unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces &&
	exec setpriv --bounding-set=-all --inh-caps=-all "$1" demo' sh "$where/brink" 2>"$dir/forbidden.err" || rc=$?
[ $rc -eq 8 ] || fail "forbidden: exit $rc, not 8"
grep -q 'user.max_user_namespaces is 0' "$dir/forbidden.err" || fail "forbidden: the setting is not named"
grep -q 'sudo sysctl user.max_user_namespaces=' "$dir/forbidden.err" || fail "forbidden: no remedy"

# Without its service it says what is missing, and nothing happens.
mv "$where/examples/demo/shop" "$dir/"
start_demo missing "$where" "${as_root[@]}"
end_demo missing "$where" 8
grep -q "'shop' is neither in examples/demo" "$dir/missing.err" || fail "missing: not named"
