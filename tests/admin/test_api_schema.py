"""Every answer of the admin API is one that ``/api/openapi.json`` describes: schemathesis asks."""

import asyncio
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

SCHEMATHESIS = shutil.which("schemathesis", path=Path(sys.executable).parent)
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "missing_required_header,unsupported_method,allow_header_conformance,ignored_auth"
)
"""Not that all data is accepted that fits the types: a filter, for one, is a language."""
OPTIONS = [
    *("--exclude-path", "/api/live"),  # it has no end
    *("--exclude-path", "/api/drain"),  # it ends the proxy
    *("--phases", "coverage,fuzzing", "--max-examples", "8", "--seed", "16"),
    *("--checks", CHECKS, "--continue-on-failure", "--no-color", "--request-timeout", "60"),
    *("--suppress-health-check", "all"),
]


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    """The level of the log is changed by one of the operations."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


async def test_every_answer_is_as_described(tmp_path: Path) -> None:
    if SCHEMATHESIS is None:
        pytest.skip("schemathesis is not installed: make clients")
    (tmp_path / "schemathesis.toml").write_text('[parameters]\n"path.id" = "held"\n')
    async with (
        RawUpstream(["hold"]) as one,
        RawUpstream() as other,
        proxied(
            one,
            admin={"listen": "127.0.0.1:0"},
            upstream_options={"servers": [one.url, other.url]},
        ) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(get(fields=b"X-Request-Id: held\r\n"))
        process = await asyncio.create_subprocess_exec(
            *(SCHEMATHESIS, "run", f"http://{proxy.runtime.admin}/api/openapi.json", *OPTIONS),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(400):
            told, _ = await process.communicate()
    said = told.decode()
    print(said)
    assert process.returncode == 0
    found = re.search(r"(\d+) generated, (\d+) passed", said)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[1]) > 300
