#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.reset of a host name, again and again: connections to what the name comes to mean while it goes on are reset too,
# from the next round on; those to what the policy denies are not, and neither are those of another name or port.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
. "$(dirname "$0")/names_lib.sh"
. "$(dirname "$0")/keep_lib.sh"
own_clean_up() {
	keep_no_more
	umount -l /etc 2>/dev/null || :
}

hosts "db.test 10.77.0.2" "other.test 10.77.0.31"
keep old=10.77.0.2,7301 new=10.77.0.3,7301 six=fd77::3,7301 denied=10.77.0.4,7301 other=10.77.0.31,7301 port=10.77.0.3,7302 \
	second=10.77.0.31,7302

experiment names <<END
faults:
  - net.reset: {to: ["db.test:7301", "other.test:7302"], netns: $a, every: 200ms}
    id: db
    for: 170s
END
"$BRINK" plan "$dir/names.yaml" >"$dir/plan.out" 2>"$dir/plan.err" || fail "cannot be planned"
grep -q 'host names are looked up again' "$dir/plan.out" || fail "the plan does not say that names are looked up again"
before
: >"$dir/names.err"
"$BRINK" run --yes "$dir/names.yaml" >"$dir/names.out" 2>"$dir/names.err" &
run=$!
says names ' fired '
for i in 1 2; do
	await 'ended "old:103 second:103"' 20 || fail "not reset for the ${i}th time: $line"
done

hosts "db.test 10.77.0.3 10.77.0.4 fd77::3" "other.test 10.77.0.31"
says names " joined  *db: db.test is now also 10.77.0.3\$"
says names " joined  *db: db.test is now also fd77::3\$"
says names "db: db.test is now also 10.77.0.4, which does not join: .*the way in"
for i in 1 2; do
	await 'ended "old:103 new:103 six:103 second:103"' 20 || fail "what joined is not reset for the ${i}th time: $line"
done
stop names
ended none || :
sleep 0.4 # two rounds, had it gone on
ended none || fail "it goes on after the end: $line"
same names

# Once: there is no later round for which a name would be looked up again.
hosts "db.test 10.77.0.3 fd77::3" "other.test 10.77.0.31"
"$BRINK" try net.reset to=db.test:7301 netns=$a --yes >"$dir/once.out" 2>"$dir/once.err" || fail "once: exit $?"
! grep -q 'looked up again' "$dir/once.err" || fail "names of a single reset are looked up again"
ended "new:103 six:103" || fail "once: $line"
