#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# brink doctor: says what would work, by trying it, and touches nothing.
# shellcheck source=tests/crash/world.sh
. "$(dirname "$0")/../crash/world.sh"
everything() {
	state
	ip -j link show
	nft -j list ruleset
	tc -j qdisc show
	cat /proc/modules 2>/dev/null
	ip netns list
	ls -A /run /run/brink /var/lib 2>/dev/null
}

experiment 1s 0s "$TCP"
sed 's/net.drop: {/net.delay: {delay: 1ms, /' "$dir/x.yaml" >"$dir/delay.yaml"
everything >"$dir/before"

case_name="only what a file needs"
b doctor "$dir/x.yaml"
is_rc 0
prints 'ok    kernel .*pidfd, nftables with owner flag'
prints 'ok    net.drop'
prints 'ok    undo after SIGKILL: nftables owner table vanished with its process after .* ms (tested)'
prints 'ok    no leftovers'
! grep -qE 'netem|disk.fill|proc.pause' "$dir/out" || fail "speaks of what the file does not need: $(cat "$dir/out")"
tail -n 1 "$dir/out" | grep -q 'policy' || fail "the last line is not about the policy"
echo "# $case_name"

case_name="a kernel without netem is told with a remedy, one with it is not blamed"
b doctor "$dir/delay.yaml"
if unshare --net sh -c 'ip link add i type ifb && tc qdisc add dev i root netem delay 1ms' 2>/dev/null; then
	is_rc 0
	prints 'net.delay net.loss'
else
	is_rc 8
	prints 'FAIL  net.delay net.loss .*net.impair: tried: qdisc netem on a scratch ifb device: .*netem'
	prints 'linux-modules-extra'
fi
echo "# $case_name"

case_name="no fault is forgotten"
b doctor
faults=$("$BRINK" list faults --json | jq -r .fault)
[[ $faults == *net.drop*disk.fill* ]] || fail "brink list: $faults"
for fault in $faults; do
	grep -qE "(^|[ :])$fault([ :]|\$)" "$dir/out" || fail "says nothing of $fault: $(cat "$dir/out")"
done
echo "# $case_name"

case_name="a kernel that cannot tell network namespaces apart"
rc=0
"$BUILD/tests/cli/prog_old_kernel" "$BRINK" doctor >"$dir/out" 2>"$dir/err" || rc=$?
is_rc 8
prints 'FAIL  net.drop .*net.delay .*net.reset .*net.link_down: .*needs kernel 5.14'
! grep -qE 'ok    net|: $' "$dir/out" || fail "what cannot be is ok, or nobody says why: $(cat "$dir/out")"
prints 'ok    proc.kill'
sed 's/net.drop:.*/proc.pause: {pid: 1}/' "$dir/x.yaml" >"$dir/pause.yaml"
"$BUILD/tests/cli/prog_old_kernel" "$BRINK" doctor "$dir/pause.yaml" >"$dir/out" 2>"$dir/err" || fail "of a file without network faults: $(cat "$dir/out" "$dir/err")"
echo "# $case_name"

case_name="--json says the same"
b doctor --json
[ "$(jq -r '.ok | tostring' "$dir/out")" = "$([ $rc = 0 ] && echo true || echo false)" ] || fail "$(cat "$dir/out")"
[ "$(jq '[.lines[] | select(.level == "FAIL")] | length > 0' "$dir/out")" = "$([ $rc = 0 ] && echo false || echo true)" ] || fail "$(cat "$dir/out")"
echo "# $case_name"

case_name="a leftover is a failure"
"$BUILD/tests/cli/prog_journal" /run/brink 01ARZ3NDEKTSV4RRFFQ69G5FAA label=one netns=cr_a table=brink_a1
b doctor "$dir/x.yaml"
is_rc 8
prints 'FAIL  run 01ARZ3NDEKTSV4RRFFQ69G5FAA died and is not clean'
prints 'sudo brink revert'
rm -r /run/brink
echo "# $case_name"

case_name="a bad file"
echo 'brink: 1' >"$dir/bad.yaml"
b doctor "$dir/bad.yaml"
is_rc 3
b doctor "$dir/none.yaml"
is_rc 2
echo "# $case_name"

case_name="without privilege"
install -d -m 755 /run/t/pub
install -m 755 "$BRINK" "$BRINK-keeper" "$BRINK-prober" /run/t/pub/
install -m 644 "$dir/x.yaml" /run/t/pub/
chmod 755 /run/t
rc=0
setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME=/ /run/t/pub/brink doctor /run/t/pub/x.yaml >"$dir/out" 2>"$dir/err" || rc=$?
prints 'warn  not root'
tail -n 1 "$dir/out" | grep -q 'policy' || fail "the last line is not about the policy"
grep -qE 'ok    user and network namespaces|FAIL  no user namespaces|FAIL  no namespace' "$dir/out" || fail "$(cat "$dir/out")"
rm -r /run/t/pub
echo "# $case_name"

case_name="nothing was touched"
everything >"$dir/after"
cmp -s "$dir/before" "$dir/after" || fail "$(diff "$dir/before" "$dir/after" | cut -c 1-1000)"
echo "# $case_name"
