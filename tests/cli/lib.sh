# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts of this folder: runs brink in an empty folder with an empty environment and compares.
# BRINK_GOLDEN=write writes the golden files anew.
set -u

: "${BRINK:?the program to test}"
BRINK=$(realpath "$BRINK")
BUILD=$(realpath "${BUILD:-$(dirname "$BRINK")}")
[ -x "$BRINK" ] || { echo "there is no $BRINK" && exit 1; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d /tmp/brink-cli-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir "$work/.io"
out=$work/.io/out err=$work/.io/err
failures=0 checks=0 rc=0
set_env=()

bad() {
	failures=$((failures + 1))
	echo "FAIL: $*"
	echo "  exit code $rc; stdout:"
	sed 's/^/  | /' "$out" 2>/dev/null | head -n 30
	echo "  stderr:"
	sed 's/^/  | /' "$err" 2>/dev/null | head -n 30
}

good() {
	checks=$((checks + 1))
}

# Leaves rc, $out and $err. 20 s is a deadline, not a measurement.
brink() {
	env -i PATH="$PATH" HOME="$work" TERM=xterm LC_ALL=C.UTF-8 "${set_env[@]}" \
		timeout -k 1 20 "$BRINK" "$@" >"$out" 2>"$err" </dev/null
	rc=$?
	good
}

# $1: exit code, then the command line
expect() {
	local want=$1

	shift
	brink "$@"
	[ "$rc" = "$want" ] || bad "brink $*: exit code $rc, not $want"
}

# $1: exit code, $2: text that stderr must contain, then the command line. Nothing on stdout.
refused() {
	local want=$1 text=$2

	shift 2
	expect "$want" "$@"
	[ ! -s "$out" ] || bad "brink $*: refused, but printed something on stdout"
	grep -qF -- "$text" "$err" || bad "brink $*: stderr does not say: $text"
}

silent_err() {
	[ ! -s "$err" ] || bad "$1: stderr is not empty"
}

has() { # $1: file, $2: text
	grep -qF -- "$2" "$1" || bad "$(basename "$1") does not say: $2"
}

# $1: file, $2: name of the golden file
golden() {
	if [ "${BRINK_GOLDEN:-}" = write ]; then
		cp "$1" "$here/golden/$2"
	fi
	if ! diff -u "$here/golden/$2" "$1" >"$work/.io/diff"; then
		bad "differs from golden/$2"
		cat "$work/.io/diff"
	fi
	good
}

no_escape() { # $1: what
	if grep -q $'\033' "$out" "$err"; then
		bad "$1: escape sequences"
	fi
}

escape() { # $1: what, $2: file
	grep -q $'\033' "$2" || bad "$1: no colour"
}

narrow() { # $1: what. At most 80 columns.
	local long

	long=$(LC_ALL=C.UTF-8 awk 'length($0) > 80' "$out")
	[ -z "$long" ] || bad "$1: a line of more than 80 columns: $long"
}

finish() {
	[ "$checks" -gt 0 ] || { echo "nothing was checked" && exit 1; }
	echo "$checks checks, $failures failures"
	[ "$failures" = 0 ]
	exit $?
}
