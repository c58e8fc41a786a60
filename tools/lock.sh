#!/usr/bin/env bash
# Pins everything in requirements/ anew, for every platform and Python that the index has files for.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "make lock wants uv (pip install uv)" >&2; exit 1; }

pin() {
    local out=$1
    shift
    uv pip compile --no-config --quiet --upgrade --universal --generate-hashes \
        --python-version 3.11 --custom-compile-command "make lock" \
        --output-file "requirements/$out" "$@"
}

pin run.txt pyproject.toml
pin dev.txt --extra dev --constraint requirements/run.txt pyproject.toml
pin conformance.txt --constraint requirements/dev.txt - <<<$'h11\nhttptools\ngunicorn\nwaitress\ntwisted'
pin build.txt --constraint requirements/dev.txt - <<<'setuptools>=77'
pin bench.txt --constraint requirements/dev.txt - \
    <<<$'fastapi\nhttpx\nhttptools\nuvicorn\nuvloop\nmatplotlib'
pin clients.txt --constraint requirements/dev.txt - \
    <<<$'openai\nanthropic\nmcp\nhttpx\nhttpx-sse\nsseclient-py\naiohttp-sse-client2\nkubernetes-validate\nhadolint-bin\ncompose-spec\nsslyze'
pin api.txt --constraint requirements/dev.txt --constraint requirements/clients.txt - <<<'schemathesis'
