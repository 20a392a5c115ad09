#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The processes of a run and what each of them may do: processes.py has the table and reads /proc during two runs.
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
# shellcheck disable=SC1091
. "$(dirname "$0")/net_lib.sh"

two_spaces
chmod 711 "$dir"
mkdir "$dir/disk"
mount -t tmpfs -o size=8m,mode=755 none "$dir/disk"
trap 'rc=$?; set +e; umount -l "$dir/disk"; (exit $rc); clean_up' EXIT
# What a command is it says itself, and the warden above it: both are gone too soon to be found.
mkdir -m 777 "$dir/look"
cat >"$dir/look.sh" <<'END'
#!/bin/sh
cd "$1" || exit 1
[ ! -e seen ] || exit 0
for p in $$ $PPID; do
	set -- "$@" /proc/$p/status /proc/$p/stat /proc/$p/oom_score_adj
done
shift
cat "$@" >part && mv part seen
END
chmod 755 "$dir/look.sh"

ip netns exec "$b" python3 -m http.server -b 127.0.0.1 -d "$dir/look" 7998 >/dev/null 2>&1 7>&- &
helpers="$helpers $!"
sleep 300 7>&- &
victim=$!
helpers="$helpers $victim"
await 'in_b ss -Hltn "sport = :7998" | grep -q LISTEN' 60 || fail "no HTTP server"
cat >"$dir/x.yaml" <<END
brink: 1
name: x
steady_state:
  - {http: "http://127.0.0.1:7998/", netns: $b, every: 3s, fail_after: 5}
  - {command: [$dir/look.sh, $dir/look], every: 4s, timeout: 4s, fail_after: 5}
targets:
  victim: {process: {pid: $victim}}
faults:
  - net.drop: {to: "10.77.0.2:7001", netns: $a}
    for: 90s
  - net.drop: {to: "10.77.0.2:7002", netns: $a}
    for: 90s
  - proc.pause: {target: victim}
    for: 90s
  - disk.fill: {path: $dir/disk, until: 50%}
    for: 90s
END

# $1, $2, $3: uid, gid and groups of the checks
one_run() {
	rm -rf "$dir"/look/*
	: >"$dir/x.err"
	hold x 4
	await '[ -e "$dir/look/seen" ]' 20 || fail "the command never ran"
	python3 "$(dirname "$0")/processes.py" "$run" "$victim" "$dir" "$(realpath "$BUILD")" "$@" || fail "see above"
	kill -INT "$run"
	finish x 6
	grep -q '^CLEAN' "$dir/x.err" || fail "no proof of the revert"
}

before
unset SUDO_UID SUDO_GID
one_run "$(id -u nobody)" "$(id -g nobody)" "$(id -G nobody)"
# as through sudo: the checks run as the user who called it, here one without a name
SUDO_UID=4711 SUDO_GID=4712 one_run 4711 4712 ""
same "after two runs"
[ -z "$(find /proc/[0-9]*/fd -lname "$dir/disk/*" 2>/dev/null)" ] || fail "the fill is still held"
echo "# counted: filtered_kinds 10"
