"""What docs/cache.md shows is what curl shows."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from proxy.config.load import load
from proxy.run.runtime import Runtime
from tests.docs.test_guides import ADDRESS, FIRST, TOML, demo, read
from tests.test_readme import CONSOLE

PAGE = Path(__file__).parents[2] / "docs" / "cache.md"
MOMENT = re.compile(r"(?<=ttl=)\d+|(?<=Age: )\d+")
"""What depends on how fast the test is."""

__all__ = ["demo"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_configuration_gives_what_the_console_shows(demo: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FIRST.sub(demo, ADDRESS.sub('"127.0.0.1:0"', TOML.findall(read(PAGE))[0])))
    runtime = Runtime(load(path))
    await runtime.open()
    try:
        lines = CONSOLE.findall(read(PAGE))
        assert len(lines) == 4
        for command, shown in lines:
            process = await asyncio.create_subprocess_shell(
                command.replace("127.0.0.1:8080", runtime.http[0]).replace(
                    "127.0.0.1:9901", runtime.admin
                ),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            seen, _ = await process.communicate()
            text = seen.decode().replace("\r\n", "\n").rstrip()
            assert MOMENT.sub("N", text) == MOMENT.sub("N", shown.rstrip())
    finally:
        await runtime.close()
