#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One device for each root qdisc that a host may have. While a delay is held on them the host's own qdiscs,
# classes, filters, rules and links are byte for byte as before, chosen packets are late, others are not, the filters of
# the host still choose the class and the queue of a delayed packet, and its shapers still shape it.
# shellcheck disable=SC1091,SC2154,SC2016,SC2046,SC2086,SC2015
. "$(dirname "$0")/../netns/net_lib.sh"

# So many in one run as an emulated guest can hold and still measure.
groups=("hfsc prio clsact" "noqueue pfifo_fast mq mqprio" "fq fq_codel cake htb")
roots="${groups[*]}"
bytes=1000 # of a packet of a bulk transfer
bulk=250   # packets of one
per_packet_ms=8 # at the 1 Mbit/s of the shapers below: its payload alone

declare -A nr=() at=() # of each root: its device's number, the address of the other end
for kind in $roots; do
	nr[$kind]=$((${#nr[@]} + 1))
	at[$kind]=10.78.${nr[$kind]}.2
done

# Lines for tc -batch: processes are slow in an emulated guest.
qdisc() { echo "qdisc add dev $dev $*"; }
class() { echo "class add dev $dev $*"; }
filter() { echo "filter add dev $dev $*"; }
root_of() { # $1: kind; $dev has 4 queues
	case $1 in
	noqueue) ;; # what a veth has by itself
	mq)
		qdisc root handle 7: mq
		for q in 1 2 3 4; do qdisc parent 7:$q handle 7$q: pfifo limit 1000; done
		;;
	mqprio) qdisc root handle 7: mqprio num_tc 3 map 0 0 0 0 1 1 2 2 0 0 0 0 0 0 0 0 queues 1@0 1@1 2@2 hw 0 ;;
	cake) qdisc root handle 7: cake bandwidth 1mbit besteffort ;;
	htb)
		qdisc root handle 7: htb default 10
		class parent 7: classid 7:1 htb rate 100mbit
		class parent 7:1 classid 7:10 htb rate 50mbit ceil 100mbit
		class parent 7:1 classid 7:20 htb rate 1mbit ceil 1mbit burst 2k cburst 2k
		filter parent 7: protocol ip pref 3 u32 match ip dport 7101 0xffff classid 7:20
		;;
	hfsc)
		qdisc root handle 7: hfsc default 10
		class parent 7: classid 7:10 hfsc sc rate 100mbit ul rate 100mbit
		class parent 7: classid 7:20 hfsc sc rate 1mbit ul rate 1mbit
		filter parent 7: protocol ip pref 3 u32 match ip dport 7101 0xffff classid 7:20
		;;
	prio)
		qdisc root handle 7: prio bands 3 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
		filter parent 7: protocol ip pref 3 u32 match ip dport 7101 0xffff classid 7:3
		filter parent 7: protocol ip pref 4 handle 5 fw classid 7:2
		;;
	clsact)
		qdisc clsact
		filter egress protocol ip pref 3 u32 match ip dport 7100 0xfffe action pass
		filter ingress protocol ip pref 4 u32 match ip sport 7100 0xfffe action pass
		;;
	*) qdisc root handle 7: $1 ;;
	esac
}

two_spaces
# their loading is not to fall into the run: it takes seconds on a machine that is busy
modprobe -a -q ifb sch_netem nft_fwd_netdev $(printf 'sch_%s ' $roots) || : # some are no modules
serve "$b" 127.0.0.1 7999
serve "$b" 0.0.0.0 7100 7101 7102
for kind in $roots; do
	n=${nr[$kind]}
	dev=q$n
	echo "link add $dev numtxqueues 4 type veth peer name r$n netns $b" >>"$dir/links"
	for end in "a q$n 1" "b r$n 2"; do
		set -- $end
		printf '%s\n' "link set $2 addrgenmode none" "addr add 10.78.$n.$3/24 dev $2" "link set $2 up" >>"$dir/ends.$1"
	done
	root_of $kind >>"$dir/qdiscs"
done
ip -n "$a" -batch "$dir/links" || fail "no links"
tc -n "$a" -batch "$dir/qdiscs" || fail "no qdiscs"
ip -n "$a" -batch "$dir/ends.a" || fail "no addresses"
ip -n "$b" -batch "$dir/ends.b" || fail "no addresses"
for kind in $roots; do await_up "$a" q${nr[$kind]}; done
# the other end of the first one has a filter of its own
tc -n "$b" qdisc add dev "r${nr[noqueue]}" clsact
tc -n "$b" filter add dev "r${nr[noqueue]}" ingress protocol ip pref 5 u32 match ip dport 7101 0xffff action pass
in_a nft -f - <<'RULES'
table inet of_the_host {
	chain out {
		type filter hook output priority 0;
		udp dport 7101 meta priority set 0:6
		udp dport 7102 meta mark set 5
	}
}
RULES
rules=nft
if command -v iptables >/dev/null; then
	rules="nft and iptables"
	in_a iptables -A OUTPUT -p udp --dport 9 -j DROP
	in_b iptables -A INPUT -p udp --dport 9 -j DROP
fi

# What the host has of its own: no link, qdisc or table of brink's. Independent readers; one process of tc for all.
hosts() {
	local ns dev where
	for ns in $spaces; do
		{
			for dev in $(ip -n "$ns" -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | grep -v ^brink); do
				echo "qdisc show dev $dev"
				echo "class show dev $dev"
				for where in "" ingress egress; do echo "filter show dev $dev $where"; done
			done
		} | tc -n "$ns" -force -batch - | grep -vE '^class (cake|fq_codel) ' # one for each flow that waits
		ip -n "$ns" -d -o link show | grep -v '^[0-9]*: brink'
		ip -n "$ns" -o addr show | grep -v '^[0-9]*: brink'
		ip -n "$ns" -4 route show table all
		ip -n "$ns" -6 route show table all | grep -v ' dev brink' || : # the address of a link that is up
		ip netns exec "$ns" nft list ruleset | awk '/^table [a-z]* brink/ { own = 1 } !own; /^}/ { own = 0 }'
		! command -v iptables-save >/dev/null || ip netns exec "$ns" iptables-save | grep -v '^#' || :
	done 2>&1
}
as_before() { cmp -s "$dir/hosts" "$1" || { diff "$dir/hosts" "$1" || :; fail "the host's own objects are changed $2"; }; }
# Packets that went through a qdisc or class since the last remember. $1: qdisc or class, $2: its handle, $3: kind
passed() { echo $(($(counters "$1" "$3" | counter "$2") - $(counter "$2" <"$dir/was.$1.$3"))); }
counters() { tc -n "$a" -s "$1" show dev "q${nr[$2]}"; }
remember() { for kind; do for of in qdisc class; do counters $of "$kind" >"$dir/was.$of.$kind"; done; done; }
counter() {
	awk -v h="$1" '/^[qc]/ { on = $3 == h } on && /Sent/ { n = $4; on = 0 } END { print n + 0 }'
}
hits() { tc -n "$1" -s filter show dev "$2" "$3" | awk '/Sent/ { n += $4 } END { print n + 0 }'; }
ms() { echo $(($(figure "$(<"$dir/m.$1")" "$2") / 1000)); }
more() { [ "$2" -ge "$3" ] || fail "$1: $2, not at least $3"; }
now() { echo "after $SECONDS s: $*"; }
# $1: kind, $2: port, $3: as another name than the port's, $4...: of prog_meter, instead of 20 packets in 100 ms
look() {
	local kind=$1 port=$2 name=${3:-$2}
	shift 2
	shift $(($# > 0))
	[ $# -gt 0 ] || set -- 20 5000
	in_a "$meter" udp "${at[$kind]}" "$port" "$@" >"$dir/m.$kind.$name"
}
planned() { grep -q -- "note  $1" "$dir/plan" || { cat "$dir/plan"; fail "the plan does not say '$1'"; }; }

# Chosen packets are late, others are not.
delayed() {
	look "$1" 7100
	look "$1" 7101
	echo "$1: $(<"$dir/m.$1.7101")"
	within "$1: the quickest packet to its neighbour" "$(ms "$1.7100" min_us)" 0 250
	expect "$1: the neighbour" "$(<"$dir/m.$1.7100")" lost 0
	within "$1: the quickest packet" "$(ms "$1.7101" min_us)" 299 3000
	expect "$1: a delay is no loss" "$(<"$dir/m.$1.7101")" lost 0
}

# A transfer takes as long as the rate of the shaper says.
shaped() {
	local took got
	look "$1" 7101 bulk $bulk 0 $bytes
	took=$(figure "$(<"$dir/m.$1.bulk")" took_ms)
	got=$((bulk - $(figure "$(<"$dir/m.$1.bulk")" lost)))
	echo "$1: $got packets of $bytes bytes took $took ms"
	more "$1: packets that came" $got $((bulk / 3)) # cake drops those of a flow that does not slow down
	within "$1: the quickest packet" "$(ms "$1.bulk" min_us)" 299 3000
	more "$1: ms" "$took" $((got * per_packet_ms * 9 / 10)) # a burst is let through at once
}

# The class that the filter chose for delayed packets had them, all of them, and nothing else.
in_class() {
	within "$1: delayed packets in their class" "$(passed class 7:20 "$1")" "$2" "$2"
	more "$1: others in the class of all" "$(passed class 7:10 "$1")" 20
}

more_of_noqueue() { # here nobody shapes; and what the note about the other end says
	local other
	look noqueue 7101 bulk $bulk 0 $bytes
	echo "noqueue: $bulk packets of $bytes bytes took $(figure "$(<"$dir/m.noqueue.bulk")" took_ms) ms"
	within "noqueue: ms" "$(figure "$(<"$dir/m.noqueue.bulk")" took_ms)" 0 $((bulk * per_packet_ms))
	planned "delayed packets skip tc and netdev ingress at the other end of q${nr[noqueue]} "
	other=$(hits "$b" "r${nr[noqueue]}" ingress)
	look noqueue 7101
	within "actions at the other end" $(($(hits "$b" "r${nr[noqueue]}" ingress) - other)) 0 0
}

more_of_mq() { # packets of many flows spread over the queues, none is left out
	local was is q sum=0 used=0
	mapfile -t was < <(queues)
	in_a bash -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do '$meter' udp ${at[mq]} 7101 2 1000; done" >"$dir/m.mq.flows"
	mapfile -t is < <(queues)
	for q in 0 1 2 3; do
		sum=$((sum + is[q] - was[q]))
		[ "${is[q]}" -eq "${was[q]}" ] || used=$((used + 1))
	done
	echo "mq: ${was[*]}, after 24 packets of 12 flows ${is[*]}"
	more "mq: packets in its queues" $sum 24
	more "mq: queues used" $used 2
	within "mq: the quickest" "$(ms mq.flows min_us)" 299 3000
}
queues() { for q in 1 2 3 4; do passed qdisc 7$q: mq; done; }

more_of_mqprio() {
	more "mqprio: of the priority" $(($(passed class 7:3 mqprio) + $(passed class 7:4 mqprio))) 20
	more "mqprio: of none" "$(passed class 7:1 mqprio)" 20
	within "mqprio: others" "$(passed class 7:2 mqprio)" 0 0
}

more_of_fq() { planned "root qdisc fq of q${nr[fq]} paces delayed packets a second time"; }
more_of_cake() { shaped cake; }
more_of_classes() {
	planned "tc filters of q${nr[$1]} stay: root u32 pref 3\$"
	in_class "$1" 20
	shaped "$1"
	in_class "$1" $((20 + bulk))
}
more_of_htb() { more_of_classes htb; }
more_of_hfsc() { more_of_classes hfsc; }

more_of_prio() {
	planned "tc filters of q${nr[prio]} stay: root u32 pref 3, root fw pref 4\$"
	look prio 7102
	within "prio: the quickest, by the mark" "$(ms prio.7102 min_us)" 299 3000
	within "prio: chosen by u32" "$(passed class 7:3 prio)" 20 20
	within "prio: chosen by the mark" "$(passed class 7:2 prio)" 20 20
	more "prio: the rest" "$(passed class 7:1 prio)" 20
}

more_of_clsact() { # what the notes of the plan say
	local dev=q${nr[clsact]} out in
	planned "tc filters of $dev stay: egress u32 pref 3, ingress u32 pref 4\$"
	planned "delayed packets skip the actions of tc filters on the way out of $dev;"
	out=$(hits "$a" "$dev" egress) in=$(hits "$a" "$dev" ingress)
	look clsact 7101
	within "actions on the way out, delayed packets" $(($(hits "$a" "$dev" egress) - out)) 0 0
	within "actions on the way in, their answers" $(($(hits "$a" "$dev" ingress) - in)) 20 20
	look clsact 7100
	within "actions on the way out, other packets" $(($(hits "$a" "$dev" egress) - out)) 20 20
}

now devices stand
for kind in $roots; do look "$kind" 7100 first 1 0; done # neighbours are found
hosts >"$dir/hosts"

# $1: name, the rest: its roots
one_group() {
	local name=$1 kind named count
	shift
	count=$#
	experiment "$name" <<<"faults:"
	for kind; do
		printf '  - net.delay: {to: "%s:7101-7102/udp", delay: 300ms, netns: %s}\n    for: 150s\n' "${at[$kind]}" "$a"
	done >>"$dir/$name.yaml"
	"$BRINK" plan "$dir/$name.yaml" >"$dir/plan" || fail "no plan"
	named=$(printf '%s\n' "$@" | grep -cxE 'htb|hfsc|prio|clsact' || :)
	[ "$(grep -c 'tc filters of .* stay' "$dir/plan")" -eq "$named" ] || fail "the plan names not $named devices: $(cat "$dir/plan")"
	remember "$@"
	hold "$name" "$count"
	now "held: $*"
	in_a nft list ruleset | grep -q '^table netdev brink' || fail "nothing is to be seen while the fault is held"
	for kind; do
		delayed "$kind"
		! declare -F "more_of_$kind" >/dev/null || "more_of_$kind"
	done
	now looked
	hosts >"$dir/hosts.during"
	as_before "$dir/hosts.during" "while the fault is held"
	stop "$name"
	grep -q "CLEAN  $count of $count faults reverted" "$dir/$name.err" || fail "not all reverted"
	hosts >"$dir/hosts.after"
	as_before "$dir/hosts.after" "afterwards"
}
# A guest that gets no CPU for a second loses its run, as it should: what was measured meanwhile says nothing. $run is
# of the subshell, and ends with it.
left() {
	[ -z "$run" ] || kill -0 "$run" 2>/dev/null || touch "$dir/lost"
	[ -z "$run" ] || kill "$run" 2>/dev/null || :
	wait $run 2>/dev/null || :
}

for i in "${!groups[@]}"; do
	for try in 1 2 3; do
		rm -f "$dir/lost"
		# no condition around it: set -e would not hold inside
		set +e
		(
			set -e
			trap left EXIT
			# shellcheck disable=SC2086
			one_group "group$i.$try" ${groups[i]}
		)
		rc=$?
		set -e
		[ $rc -ne 0 ] || break
		[ -e "$dir/lost" ] && [ $try -lt 3 ] || fail "${groups[i]}"
		now "its run was lost: once more"
	done
done
other=$(hits "$b" "r${nr[noqueue]}" ingress)
look noqueue 7101
within "afterwards" "$(ms noqueue.7101 min_us)" 0 250
within "actions at the other end, afterwards" $(($(hits "$b" "r${nr[noqueue]}" ingress) - other)) 20 20
echo "$(wc -w <<<"$roots") roots, $rules rules: as before"
