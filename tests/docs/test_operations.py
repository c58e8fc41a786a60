"""The commands in ``docs/operations.md`` do what it says."""

import asyncio
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from proxy.edge.relay import server_timing
from tests.support.loop import get
from tests.support.process import PATIENCE, started
from tests.support.upstream import RawUpstream

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/operations.md").read_text(encoding="utf-8")


def shown(section: str) -> list[str]:
    """The indented blocks of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n)(?:^(?:    .*)?\n)*", text, re.MULTILINE)
    return [part.strip() for block in blocks for part in re.split(r"\n\n+", block) if part.strip()]


async def run(command: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("curl")), reason="needs openssl and curl"
)
async def test_tls_is_tried_as_the_page_says(tmp_path: Path) -> None:
    make, table, ask = shown("TLS")
    assert (await run(make, tmp_path))[0] == 0
    async with RawUpstream() as upstream:
        (tmp_path / "config.toml").write_text(
            table.replace("    ", "").replace(":8443", ":0")
            + f'\n[[upstreams]]\nname = "api"\nservers = ["{upstream.url}"]\n'
        )
        async with started("run", "config.toml", prefix=f"cd {tmp_path}") as proxy:
            await proxy.ready()
            port = proxy.http[0].rpartition(":")[2]
            curl, openssl = (line.replace("8443", port) for line in ask.splitlines())
            assert await run(f"{curl} --silent --fail", tmp_path) == (0, "ok")
            status, said = await run(openssl, tmp_path)
            assert status == 0
            assert "ALPN protocol: http/1.1" in said
            assert "Verify return code: 0 (ok)" in said
        assert upstream.requests[0].head.value("X-Forwarded-Proto") == b"https"


def test_the_table_of_server_timing_has_each_of_its_names() -> None:
    record = get()
    names = re.findall(r"(?:^|, )(\w+);", server_timing(record).decode())
    table = PAGE.partition("### Server-Timing")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == names
    shown_line = re.search(r"^    Server-Timing: (.*)$", table, re.MULTILINE)
    assert shown_line is not None
    assert re.findall(r"(?:^|, )(\w+);", shown_line[1]) == names


def test_what_an_extra_installs_is_what_the_pages_say() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    for extra, pages in (
        ("redis", ("docs/cache.md", "docs/guides/docker.md", "proxy/core/cache_options.py")),
        (
            "otel",
            (
                "docs/operations.md",
                "docs/guides/docker.md",
                "proxy/telemetry/missing_packages.py",
            ),
        ),
    ):
        for page in pages:
            assert f"'{extras[extra][0]}'" in (TOP / page).read_text(encoding="utf-8"), page
