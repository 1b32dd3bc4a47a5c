#!/usr/bin/env bash
# Rebuilds libclew.so of the editable install after a change in native/; quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 9>.venv.lock
flock 9
PATH=$PWD/.venv/bin:$PATH
build=$(dirname "$(ls -t build/*/CMakeCache.txt | head -n 1)")
cmake --build "$build" >"$build/build.log" || {
	cat "$build/build.log" >&2
	exit 1
}
installed=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/clew/_native
if ! cmp -s "$build/native/libclew.so" "$installed/libclew.so"; then
	mkdir -p "$installed"
	cp "$build/native/libclew.so" "$installed/.libclew.so.new"
	mv "$installed/.libclew.so.new" "$installed/libclew.so" # a new inode: programs that run with the old one keep it
fi
