#!/usr/bin/env bash
# System packages that some tests want. Run as root; does nothing where everything is there.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v curl >/dev/null || missing+=(curl)
command -v openssl >/dev/null || missing+=(openssl)
command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} -gt 0 ] || { echo "ci-tools: nginx, curl, openssl and chromium are here"; exit 0; }

command -v apt-get >/dev/null || { echo "ci-tools: no apt-get; please install: ${missing[*]}" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "ci-tools: run as root to install: ${missing[*]}" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Not every release has nginx-light.
apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
    apt-get install -y -qq --no-install-recommends "${missing[@]/nginx-light/nginx}"
