#!/usr/bin/env bash
# System packages that some tests want. Run as root; does nothing where everything is there.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v promtool >/dev/null || missing+=(prometheus)
command -v redis-server >/dev/null || missing+=(redis-server)
for tool in haproxy caddy curl openssl chromium; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
command -v systemd-analyze >/dev/null || missing+=(systemd)
[ ${#missing[@]} -gt 0 ] || { echo "ci-tools: all that the tests want is here"; exit 0; }

command -v apt-get >/dev/null || { echo "ci-tools: no apt-get; please install: ${missing[*]}" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "ci-tools: run as root to install: ${missing[*]}" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
# The packages start services of their own, which would hold ports 80 and 443: not here (policy-rc.d).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# Not every release has nginx-light.
apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
    apt-get install -y -qq --no-install-recommends "${missing[@]/nginx-light/nginx}"
