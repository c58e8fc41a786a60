"""The README's curl lines give what the README shows."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.load import from_upstream
from proxy.run.runtime import Runtime

README = Path(__file__).parent.parent / "README.md"
CONSOLE = re.compile(r"^```console\n\$ ((?:head .*?)?curl .*)\n((?s:.*?))^```$", re.MULTILINE)
LINES = CONSOLE.findall(README.read_text(encoding="utf-8"))

CHANGING = (
    (re.compile(r"[0-9a-f]{32}"), "ID"),
    (re.compile(r"^Date: .*$", re.MULTILINE), "Date: NOW"),
)


def steady(text: str) -> str:
    """Without what differs from one run to the next, and without the white space at the end."""
    text = text.replace("\r\n", "\n").rstrip()
    for pattern, name in CHANGING:
        text = pattern.sub(name, text)
    return text


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A proxy in front of the demo API, as ``make run`` starts them, on free ports."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.demo", "--listen", "127.0.0.1:0"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert demo.stderr is not None
    try:
        ready = (await demo.stderr.readline()).decode().split()
        assert ready[:2] == ["demo", "ready"]
        runtime = Runtime(from_upstream(ready[2], "127.0.0.1:0"))
        await runtime.open()
        yield runtime.http[0]
        await runtime.close()
    finally:
        demo.terminate()
        await demo.wait()


def test_there_are_four_curl_lines() -> None:
    assert len(LINES) == 4


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("command", "shown"), LINES)
async def test_a_curl_line_gives_what_is_shown(command: str, shown: str, address: str) -> None:
    command = command.replace("127.0.0.1:8080", address)
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    seen, _ = await process.communicate()
    assert steady(seen.decode()) == steady(shown)


def test_the_table_has_every_command() -> None:
    table = README.read_text(encoding="utf-8").partition("| command | does |\n")[2]
    cells = [row.split(" | ")[0] for row in table.partition("\n\n")[0].splitlines()[1:]]
    shown = re.findall(r"`(?:sidecar-proxy )?(\w+)[^`]*`", "\n".join(cells))
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "--help"], capture_output=True, text=True, check=True
    )
    commands = set(re.findall(r"^    ([a-z]+) ", done.stdout, re.MULTILINE))
    assert {"run", "check", "record"} <= commands
    assert set(shown) == commands
