# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by run. Finds a kernel for the guest and packs its initramfs. Nothing is installed.
#   BRINK_VM_KERNEL=/boot/vmlinuz-VERSION  uses that one, with BRINK_VM_MODULES (default /lib/modules/VERSION)
#   BRINK_VM_CACHE=DIR                     where the fetched kernel is kept (default BUILD/vm)
# Sets kernel, version, modules (the folder that holds lib/modules/VERSION) and initrd.

die() {
	echo "vm: $*" >&2
	exit 1
}

need() { # $1: program, $2: its Debian package
	command -v "$1" >/dev/null || die "'$1' is missing: apt-get install $2 (or make deps-test)"
}

# The package that linux-image-amd64 depends on today, unpacked into the cache once.
fetch_kernel() {
	local pkg dir sudo=

	need apt-get apt
	pkg=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	if [ -z "$pkg" ]; then
		[ "$(id -u)" = 0 ] || sudo=sudo
		$sudo apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null || die "apt-get update failed"
		pkg=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	fi
	[ -n "$pkg" ] || die "no package linux-image-amd64: set BRINK_VM_KERNEL="
	version=${pkg#linux-image-}
	dir=$cache/$pkg
	if [ ! -e "$dir/complete" ]; then
		rm -rf "$dir"
		mkdir -p "$dir/deb"
		(cd "$dir/deb" && apt-get -q -o APT::Sandbox::User=root download "$pkg") >&2 || die "cannot fetch $pkg"
		dpkg-deb -x "$dir"/deb/*.deb "$dir" || die "cannot unpack $pkg"
		depmod -b "$dir" "$version" || die "depmod failed"
		rm -rf "$dir/deb"
		touch "$dir/complete"
	fi
	kernel=$dir/boot/vmlinuz-$version
	modules=$dir
}

own_kernel() {
	local from

	kernel=$(realpath "$BRINK_VM_KERNEL") || die "cannot open '$BRINK_VM_KERNEL'"
	version=${kernel##*/vmlinuz-}
	from=$(realpath "${BRINK_VM_MODULES:-/lib/modules/$version}") || die "no modules for '$kernel'"
	modules=$cache/own-$version
	mkdir -p "$modules/lib/modules"
	ln -sfn "$from" "$modules/lib/modules/$version"
}

# The files of the modules $1..., each behind those that it needs.
files_of_modules() {
	modprobe -d "$modules" -S "$version" --show-depends -a "$@" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Copies the modules that $1... need, dependencies first, and writes their order to $dir/modules.
pack_modules() {
	local file base

	files_of_modules "$@" |
		while read -r file; do
			base=${file##*/}
			case $base in
			*.xz) xz -dc "$file" >"$dir/${base%.xz}" ;;
			*.zst) zstd -qdc "$file" >"$dir/${base%.zst}" ;;
			*) cp "$file" "$dir/$base" ;;
			esac
			base=${base%.xz}
			echo "${base%.zst}"
		done >"$dir/modules"
}

pack_initrd() { # $1: the file to write
	local dir

	dir=$(mktemp -d)
	mkdir -p "$dir"/{bin,proc,sys,dev,lower,results,rw,root}
	cp "$(command -v busybox)" "$dir/bin/busybox"
	cp "$top/tests/vm/init" "$dir/init"
	chmod 755 "$dir/init"
	pack_modules virtio_pci 9pnet_virtio 9p overlay
	(cd "$dir" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$1.new" || die "cannot pack the initramfs"
	mv "$1.new" "$1"
	rm -rf "$dir"
}

find_kernel() {
	need qemu-system-x86_64 qemu-system-x86
	need busybox busybox-static
	need depmod kmod
	need cpio cpio
	[ "$(uname -m)" = x86_64 ] || die "only x86_64 is supported here"
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	if [ -n "${BRINK_VM_KERNEL:-}" ]; then own_kernel; else fetch_kernel; fi
	initrd=$cache/initrd-$version
	if [ ! -e "$initrd" ] || [ "$top/tests/vm/init" -nt "$initrd" ] || [ "$top/tests/vm/kernel.sh" -nt "$initrd" ]; then
		pack_initrd "$initrd"
	fi
	exec 9>&-
}
