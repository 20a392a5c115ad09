#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real container of podman, in the network namespace of the test: its packets are hit by its id, as podman prints it,
# those of its neighbour in the same namespace are not. In the plain guest podman makes the cgroup itself, under systemd
# (sd_29_podman.sh) it asks for a scope.
# shellcheck disable=SC1091,SC2154,SC2086
. "$(dirname "$0")/../netns/net_lib.sh"

manager=cgroupfs
[ "$BRINK_VM" != systemd ] || manager=systemd
export HOME=$dir
pod() {
	podman --root "$dir/pod" --runroot "$dir/pod.run" --tmpdir "$dir/pod.tmp" --cgroup-manager $manager --storage-driver vfs \
		--events-backend none "$@"
}
own_clean_up() { # before its folders go
	kill $run 2>/dev/null || :
	pod rm --all --force --time 0 >/dev/null 2>&1 || :
	umount "$dir"/pod/vfs-containers/*/userdata/shm 2>/dev/null || :
}
two_spaces
serve "$b" 127.0.0.1 7999
serve "$b" 10.77.0.2 7401 7402

# no image: the meter with what it is linked to, and something that waits
mkdir -p "$dir"/root/{bin,lib64,lib/x86_64-linux-gnu,proc,sys,dev,etc,run,tmp}
cp /bin/busybox "$dir/root/bin/"
cp "$meter" "$dir/root/bin/meter"
for file in $(ldd "$meter" | grep -o '/[^ ]*'); do cp "$file" "$dir/root$file"; done
start() { pod run -d --network ns:/run/netns/$a --rootfs "$dir/root" /bin/busybox sleep 1000 2>"$dir/pod.err"; }
id=$(start) && other=$(start) || fail "no container"
connects() { pod exec "$1" /bin/meter connect 10.77.0.2 "$2" 1 2>&1; } # $1: id, $2: port
before
connects $id 7401 | grep -q 'ok 1' && connects $other 7401 | grep -q 'ok 1' || fail "no connections to begin with"

experiment podman <<END
faults:
  - net.drop: {to: "10.77.0.2:7401", netns: $a, container: ${id:0:12}}
    for: 170s
END
hold podman 1
connects $id 7401 | grep -q 'timeout 1' || fail "the container is not hit: $(connects $id 7401)"
connects $id 7402 | grep -q 'ok 1' || fail "another port of it is hit"
connects $other 7401 | grep -q 'ok 1' || fail "its neighbour is hit: $(connects $other 7401)"
in_a "$meter" connect 10.77.0.2 7401 1 | grep -q 'ok 1' || fail "who is in no container is hit"
stop podman
same podman
connects $id 7401 | grep -q 'ok 1' || fail "still hit"
find /sys/fs/cgroup -name "*$id*" | sed "s/$id/ID/; s|.*/|# podman's cgroup: |"
