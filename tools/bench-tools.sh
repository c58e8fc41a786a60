#!/usr/bin/env bash
# The load generator and the peers of `make bench` and `make cache`. Run as root; does nothing where all are there.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
for tool in haproxy caddy wrk redis-server; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
command -v varnishd >/dev/null || missing+=(varnish)
[ ${#missing[@]} -gt 0 ] || { echo "bench-tools: nginx, haproxy, caddy, varnish, redis-server and wrk are here"; exit 0; }

command -v apt-get >/dev/null || { echo "bench-tools: no apt-get; please install: ${missing[*]}" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "bench-tools: run as root to install: ${missing[*]}" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
# The packages start services of their own, which would hold ports 80 and 443: not here (policy-rc.d).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
for package in "${missing[@]}"; do # one by one: a release may lack one of them
    apt-get install -y -qq --no-install-recommends "$package" ||
        { [ "$package" = nginx-light ] && apt-get install -y -qq --no-install-recommends nginx; } ||
        echo "bench-tools: no package $package; its rows will be missing" >&2
done
