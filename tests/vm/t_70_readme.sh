#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The experiment of the README as it stands there, with plain `brink run`, against a real nginx and a listening port.
set -eu
dir=$(mktemp -d)
fail() { echo "FAIL: $*"; exit 1; }

awk '/^```yaml/ { on = 1; next } /^```/ { on = 0 } on' "$TOP/README.md" >"$dir/web.brink.yaml"
[ "$(grep -c . "$dir/web.brink.yaml")" -le 9 ] || fail "the first experiment has grown"

mkdir "$dir/tmp"
cat >"$dir/nginx.conf" <<EOF
daemon off;
pid $dir/nginx.pid;
error_log stderr;
events { }
http {
	access_log off;
	client_body_temp_path $dir/tmp; proxy_temp_path $dir/tmp; fastcgi_temp_path $dir/tmp;
	uwsgi_temp_path $dir/tmp; scgi_temp_path $dir/tmp;
	server { listen 127.0.0.1:8080; listen [::1]:8080; location = /health { return 200 "fine\n"; } }
}
EOF
nginx -c "$dir/nginx.conf" >"$dir/nginx.log" 2>&1 &
web=$!
mkfifo "$dir/hold"
"$BUILD/tests/netns/prog_meter" serve 127.0.0.1 5432 <"$dir/hold" >"$dir/ready" &
exec 7>"$dir/hold"
trap 'kill $web; exec 7>&-; rm -rf "$dir"' EXIT
until grep -q ready "$dir/ready" && [ -s "$dir/nginx.pid" ]; do
	kill -0 $web || { cat "$dir/nginx.log"; fail "no nginx"; }
done

# somebody who uses the database meanwhile
"$BUILD/tests/netns/prog_meter" udp 127.0.0.1 5432 1000 20000 >"$dir/seen" &
user=$!
rc=0
"$BRINK" run "$dir/web.brink.yaml" 2>"$dir/err" || rc=$?
wait $user
cat "$dir/err" "$dir/seen"
[ $rc -eq 0 ] || fail "exit $rc"
grep -q 'did not bite' "$dir/err" && fail "it did not bite"
grep -q '^CLEAN  1 of 1 faults reverted' "$dir/err" || fail "no proof"
