# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by run --memory, after kernel.sh: copies what its tests need into a small root of its own.
tree_programs="awk basename bash busybox cat chmod cmp cp cut date diff dirname dmesg env find grep head id ip jq ln ls
mkdir mkfifo mktemp modprobe mount mv nft nproc ps readlink realpath rm rmdir sed seq sh sleep sort stat sync tail tc tee
timeout touch tr true umount uname uniq wc"
tree_modules="veth ifb dummy nf_tables nft_ct nft_reject_inet nft_numgen nft_limit nf_conntrack inet_diag tcp_diag"

copy_program() { # $1: the tree, $2: the program, $3: its name there
	local lib
	mkdir -p "$1${3%/*}"
	cp -L "$2" "$1$3"
	ldd "$2" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
		[ -e "$1$lib" ] || { mkdir -p "$1${lib%/*}" && cp -L "$lib" "$1$lib"; }
	done
}

make_tree() { # $1: the folder
	local p file of=$modules/lib/modules/$version
	mkdir -p "$1"/{dev,proc,sys,run,tmp,var/lib,etc,usr/bin,usr/lib/locale,usr/lib64,root}
	ln -s usr/bin usr/lib usr/lib64 "$1"
	ln -s bin "$1/usr/sbin"
	ln -s usr/bin "$1/sbin"
	cp -a /usr/lib/locale/C.utf8 "$1/usr/lib/locale"
	cp -a /etc/passwd /etc/group /etc/nsswitch.conf "$1/etc"
	for p in $tree_programs; do
		file=$(type -P "$p") || die "'$p' is missing"
		copy_program "$1" "$file" "/usr/bin/$p"
	done
	for p in brink brink-keeper brink-prober tests/netns/prog_meter; do
		copy_program "$1" "$build/$p" "$build/$p"
	done
	mkdir -p "$1$top"
	cp -a "$top/tests" "$1$top"
	mkdir -p "$1/lib/modules/$version"
	cp "$of"/modules.* "$1/lib/modules/$version"
	# shellcheck disable=SC2086 # a list
	files_of_modules $tree_modules |
		while read -r file; do
			p=/lib/modules/$version/${file#*"/lib/modules/$version/"}
			mkdir -p "$1${p%/*}"
			cp "$file" "$1$p"
		done
}
