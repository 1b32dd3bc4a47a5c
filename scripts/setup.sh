#!/usr/bin/env bash
# Makes what `make demo` and `make test` need: system packages (as root, by apt-get), .venv, libclew.so.
# usage: scripts/setup.sh demo|test    Does nothing, fast, when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-demo}

# command or file that shows it is there : Debian package
needs=(cc:build-essential git:git nginx:nginx)
test_needs=(
	chromium:chromium wrk:wrk redis-server:redis-server redis-benchmark:redis-tools
	/usr/lib/postgresql/*/bin/pgbench:postgresql strace:strace gdb:gdb valgrind:valgrind perf:linux-perf
	bpftrace:bpftrace setpriv:util-linux
	clang:clang '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a:libclang-rt-dev' g++:g++
	node:nodejs java:default-jdk-headless javac:default-jdk-headless perl:perl openssl:openssl curl:curl wget:wget
	'/usr/lib/*/libjemalloc.so.2:libjemalloc2' '/usr/lib/*/libtcmalloc_minimal.so.4:libtcmalloc-minimal4'
	busybox:busybox-static
	apache2:apache2 mariadbd:mariadb-server npm:npm ip:iproute2 '/usr/sbin/php-fpm*:php-fpm'
	/usr/include/fcgiapp.h:libfcgi-dev /usr/include/postgresql/libpq-fe.h:libpq-dev
	memcached:memcached dnsmasq:dnsmasq-base dig:bind9-dnsutils Xvfb:xvfb xdpyinfo:x11-utils tshark:tshark
)
[ "$purpose" = test ] && needs+=("${test_needs[@]}")

present() { # a command in PATH (or where only root's PATH looks), or a file that a pattern finds
	case $1 in
	/*) compgen -G "$1" >/dev/null ;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

missing=()
for need in "${needs[@]}"; do
	present "${need%:*}" || missing+=("${need##*:}")
done
python=${PYTHON:-python3}
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

debian_name() { # perf and the sanitizers' runtimes have the release in their names
	case $1 in
	libclang-rt-dev) apt-cache search --names-only '^libclang-rt-[0-9]+-dev$' | sort -V | head -n 1 | cut -d' ' -f1 ;;
	linux-perf) apt-cache show linux-perf >/dev/null 2>&1 && echo linux-perf || echo linux-tools-generic ;;
	*) echo "$1" ;;
	esac
}
if [ "$purpose" = test ]; then # CPython's own tests are run recorded and bare
	"$python" -c 'import test.test_os' 2>/dev/null || /usr/bin/python3 -c 'import test.test_os' 2>/dev/null ||
		missing+=(libpython3-testsuite)
fi

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "setup: installing ${missing[*]}"
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		mapfile -t names < <(for name in "${missing[@]}"; do debian_name "$name"; done)
		[ -e /usr/sbin/policy-rc.d ] || {
			printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # install servers, start none
			chmod 755 /usr/sbin/policy-rc.d
			trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		}
		apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null
	elif [ "$purpose" = demo ] && [ "${missing[*]}" = nginx ]; then
		echo "setup: nginx is missing; the demo takes a small Python front end instead (sudo apt-get install nginx)"
	else
		echo "setup: missing; type: sudo apt-get install $(for name in "${missing[@]}"; do debian_name "$name"; done | xargs)" >&2
		exit 2
	fi
fi

if [ "$purpose" = test ] && [ "$(id -u)" = 0 ] && [ ! -e /sys/kernel/tracing/events ]; then
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || true # tracepoints; a container may forbid it
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "setup: Python 3.11 or newer is needed; type: PYTHON=python3.12 make $purpose" >&2
	exit 2
}

exec 9>.venv.lock # two makes at once: one waits
flock 9
want="$(cat pyproject.toml scripts/setup.sh | cksum) $PWD $("$python" -VV)"
stamp=.venv/.made-for-$purpose
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
	echo "setup: making .venv"
	[ -x .venv/bin/python ] && .venv/bin/python -c 'pass' 2>/dev/null || "$python" -m venv --clear .venv
	extras=demo,lab
	[ "$purpose" = test ] && extras=test
	.venv/bin/pip install -q --disable-pip-version-check 'scikit-build-core>=1.1' 'cmake>=3.25' ninja
	PATH=$PWD/.venv/bin:$PATH .venv/bin/pip install -q --disable-pip-version-check --no-build-isolation -e ".[$extras]"
	if [ "$purpose" = test ] && ! present chromium && ! present chromium-browser && ! present google-chrome; then
		.venv/bin/playwright install chromium # a release whose own Chromium is not a package
	fi
	echo "$want" >"$stamp"
fi
