# Starts a PostgreSQL cluster in a folder and stops it when a process ends, however it ends.
# usage: sh -c SCRIPT cluster FOLDER PROCESS BIN SETTINGS [BECOME USER…]
# FOLDER/ready appears when it serves; FOLDER/failed when it does not.
set -u
dir=$1 watched=$2 bin=$3 settings=$4
shift 4
trap '' HUP INT
fail() { mv "$dir/log" "$dir/failed"; exit 1; }
cd "$dir" || exit 1
"$@" "$bin/initdb" -D "$dir/data" -U hutong -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
    >"$dir/log" 2>&1 || fail
# shellcheck disable=SC2086
"$@" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=500 \
    -c unix_socket_permissions=0777 $settings >>"$dir/log" 2>&1 &
server=$!
until grep -q "ready to accept connections" "$dir/log"; do
    kill -0 "$server" 2>/dev/null || fail
    sleep 0.05
done
: >"$dir/ready"
while kill -0 "$watched" 2>/dev/null && kill -0 "$server" 2>/dev/null; do sleep 0.2; done
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$dir"
