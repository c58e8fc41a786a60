#!/usr/bin/env bash
# Builds wheel and sdist into dist/, and has the wheel run on every CPython from 3.11 that is here.
# PYTHONS="python3.12 /opt/python3.14/bin/python3" names others. Wants the package index.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rm -rf dist
git archive HEAD | tar -x -C "$work" --one-top-level=source
python3 -m venv "$work/build"
"$work/build/bin/pip" install --quiet --require-hashes -r requirements/build.txt
(cd "$work/source" && "$work/build/bin/python" -c \
    'import setuptools.build_meta as b; b.build_sdist("dist"); b.build_wheel("dist")' >/dev/null)
cp -r "$work/source/dist" dist
wheel=$(ls "$work"/source/dist/*.whl)

for python in ${PYTHONS:-python3.11 python3.12 python3.13 python3.14}; do
    # A name alone may be a stand-in of pyenv for a version that is not in use.
    "$python" -c "" 2>/dev/null || { echo "release: no $python here"; continue; }
    home="$work/${python//\//_}"
    "$python" -m venv "$home"
    "$home/bin/pip" install --quiet --require-hashes -r requirements/run.txt
    "$home/bin/pip" install --quiet --no-deps "$wheel"
    (cd "$home" && ./bin/python - <<'TRY'
import signal, subprocess, sys
version = subprocess.run(["bin/sidecar-proxy", "--version"], capture_output=True, text=True, check=True)
words = ["bin/sidecar-proxy", "run", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]
proxy = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
for line in proxy.stderr:
    if line.startswith("ready "):
        proxy.send_signal(signal.SIGTERM)
assert proxy.wait(60) == 0, proxy.returncode
print(f"release: {version.stdout.strip()} runs on {sys.version.split()[0]}")
TRY
    )
done
