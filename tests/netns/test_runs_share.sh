#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two runs on one device, file system, process or cgroup: the second is refused and told, in words, who has it since
# when and how to end that; what it is told works. On different ones both work, and each takes back only its own, in
# whatever order they end.
# shellcheck disable=SC1091,SC2154,SC2016,SC2086,SC2015,SC2034
. "$(dirname "$0")/net_lib.sh"

cases=0
two_spaces
for n in 2 3; do
	ip -n "$a" link add va$n type veth peer name vb$n netns "$b"
	bring_up "$a" va$n 10.7$n.0.1/24
	bring_up "$b" vb$n 10.7$n.0.2/24
	await_up "$a" va$n
	await_up "$b" vb$n
done
serve "$b" 0.0.0.0 7101
mkdir "$dir/disk" "$dir/again" "$dir/other"
mount -t tmpfs -o size=64m tmpfs "$dir/disk"
mkdir "$dir/disk/below"
mount --bind "$dir/disk/below" "$dir/again"
ln -s "$dir/disk/below" "$dir/link"
mount -t tmpfs -o size=64m tmpfs "$dir/other"
own_clean_up() {
	local v
	for v in ${!run_*}; do
		kill ${!v} 2>/dev/null && wait ${!v} || :
	done
	umount "$dir/again" "$dir/disk" "$dir/other" || :
}
# The children of a shell each, so that nobody waits for them but it.
sleep 600 7>&- &
first=$!
sleep 600 7>&- &
second=$!
helpers="$first $second"
before

# $1: name, $2...: what brink try is asked for. In the background, until it is ended.
launch() {
	local name=$1
	shift
	: >"$dir/$name.err"
	"$BRINK" try "$@" --for 2m --yes >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	eval "run_$name=$!"
}
attack() {
	launch "$@"
	held "$1"
}
held() { await "grep -q ' held ' '$dir/$1.err'" 20 || fail "$1 is not held"; }
end() { # $1: name, by what the refused one was told, or by its id
	local pid=run_$1 rc=0
	"$BRINK" halt "${2:-$(run_id "$1")}" >"$dir/halt.out" 2>"$dir/halt.err" || fail "halt of $1: exit $?"
	wait "${!pid}" || rc=$?
	[ $rc = 6 ] || fail "$1: exit $rc, not 6"
	grep -q '^CLEAN' "$dir/$1.err" || fail "$1: not clean"
}

# $1: words for the thing, $2: what the first run does, $3...: what others do that must be refused meanwhile
one_thing() { # what is momentary takes no --for
	local words=$1 held=$2 id rc told
	shift 2
	attack holder $held
	id=$(run_id holder)
	for other; do
		rc=0
		"$BRINK" try $other --yes >"$dir/other.out" 2>"$dir/other.err" </dev/null || rc=$?
		[ $rc = 4 ] || fail "$other beside $held: exit $rc, not 4: $(cat "$dir/other.err")"
		grep -qE "$words is in use: run $id \(pid [0-9]+\) has held it since 20[0-9-]{8}T[0-9:]{8}Z; to end it: brink halt [0-9A-Z]{10}$" \
			"$dir/other.err" || fail "$other beside $held: is told $(cat "$dir/other.err")"
		grep -q '^Nothing was touched' "$dir/other.err" || fail "$other: was something touched?"
		cases=$((cases + 1))
	done
	told=$(sed -n 's/.*to end it: brink halt //p' "$dir/other.err")
	end holder "$told"
	rc=0
	"$BRINK" try $1 --yes >"$dir/other.out" 2>"$dir/other.err" </dev/null || rc=$?
	[ $rc = 0 ] || fail "$1 after $held: exit $rc: $(cat "$dir/other.err")"
}
one_thing "the network device 'va' of namespace '[a-z0-9]*'" "net.drop dev=va netns=$a" \
	"net.drop dev=va to=10.77.0.2:9 netns=$a --for 1s" \
	"net.drop to=10.77.0.2 netns=/run/netns/$a --for 1s" "net.drop dev=va reply=reset netns=$a --for 1s"
one_thing "the network device 'va' of namespace '[a-z0-9]*'" "net.drop dev=va reply=reset netns=$a" "net.drop dev=va netns=$a --for 100ms"
one_thing "the file system of '$dir/[a-z/]*'" "disk.fill path=$dir/disk size=1MiB" \
	"disk.fill path=$dir/disk size=1MiB --for 100ms" "disk.fill path=$dir/disk/below size=1MiB --for 1s" \
	"disk.fill path=$dir/again size=1MiB --for 1s" "disk.fill path=$dir/link size=1MiB --for 1s"
one_thing "process $first( \(sleep\))?" "proc.pause pid=$first" "proc.pause pid=$first --for 100ms" "proc.kill pid=$first signal=CONT"
same "one thing, two runs"

# Three at once in one namespace, and one of every other kind beside them.
takes() { # $1: prefix: does a connection through it succeed?
	in_a "$meter" connect 10.7$1.0.2 7101 1 | grep -q '^ok 1'
}
state_of() { sed 's/.*) //; s/ .*//' "/proc/$1/stat"; }
is_there() { # $1: name: is its effect?
	case $1 in
	dev1) ! takes 7 ;;
	dev2) ! takes 2 ;;
	dev3) ! takes 3 ;;
	disk) [ "$(df --output=used "$dir/disk" | tail -n 1)" -ge 16384 ] ;;
	other) [ "$(df --output=used "$dir/other" | tail -n 1)" -ge 16384 ] ;;
	pause) [ "$(state_of $first)" = t ] ;;
	pause2) [ "$(state_of $second)" = t ] ;;
	esac
}
check_effects() { # $1: when; what is in $left is there, the rest is not
	local name
	for name in dev1 dev2 dev3 disk other pause pause2; do
		case " $left " in
		*" $name "*) is_there $name || fail "$1: the effect of $name is missing" ;;
		*) ! is_there $name || fail "$1: the effect of $name is there" ;;
		esac
	done
}
what_dev1="net.drop dev=va netns=$a"
what_dev2="net.drop dev=va2 netns=$a"
what_dev3="net.drop dev=va3 netns=$a"
what_disk="disk.fill path=$dir/disk size=16MiB"
what_other="disk.fill path=$dir/other size=16MiB"
what_pause="proc.pause pid=$first"
what_pause2="proc.pause pid=$second"
left=
check_effects "at rest"
for order in "dev1 dev2 dev3 disk other pause pause2" "pause2 pause other disk dev3 dev2 dev1" \
	"dev2 other dev3 pause2 dev1 pause disk" "disk dev3 pause dev1 pause2 other dev2"; do
	for name in $order; do
		what=what_$name
		launch $name ${!what}
	done
	for name in $order; do
		held $name
	done
	left=$order
	check_effects "all held"
	for name in $order; do
		end $name
		left=${left#"$name"}
		left=${left# }
		check_effects "after the end of $name"
		cases=$((cases + 1))
	done
	same "ended in the order $order"
done

# One that is killed takes nobody along.
for name in dev1 dev2 disk pause; do
	what=what_$name
	launch $name ${!what}
done
for name in dev1 dev2 disk pause; do
	held $name
done
left="dev2 pause"
kill -KILL $run_dev1 $run_disk
wait $run_dev1 $run_disk || :
await "! is_there dev1 && ! is_there disk" 10 || fail "the faults of killed runs stay"
check_effects "after two were killed"
end dev2
end pause
left=
check_effects "in the end"
for name in dev1 disk; do
	id=$(run_id $name)
	await "[ ! -e /run/brink/$id ] || '$BRINK' revert $id >'$dir/revert.out' 2>&1" 20 || fail "revert: $(cat "$dir/revert.out")"
done
same "after all"
echo "# counted: concurrent_runs $cases"
