"""A proxy in a process of its own."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from typing import Final

from tests.support.client import RawClient

PATIENCE: Final = 120.0
"""Seconds for anything that a process does, however busy the machine is."""


class Process:
    """A proxy of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.http: list[str] = []
        self.admin = ""
        """The first one."""
        self.probes: list[str] = []

    async def ready(self) -> None:
        """Wait for the ready line."""
        line = await self.line("ready")
        found = re.fullmatch(r"ready http=(\S+)(?: admin=(\S+))?(?: probes=(\S+))?\n", line)
        assert found, line
        self.http = found[1].split(",")
        self.admin = (found[2] or "").partition(",")[0]
        self.probes = (found[3] or "").split(",")

    async def line(self, start: str) -> str:
        """The next line on standard error that says this."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.process.stderr.readline()).decode()
                assert line, f"ended before it said {start!r}"
                if start in line:
                    return line

    async def client(self) -> RawClient:
        """A connection to its first address."""
        if self.http[0].startswith("unix:"):
            return await RawClient.connect(self.http[0].removeprefix("unix:"))
        host, _, port = self.http[0].rpartition(":")
        return await RawClient.connect((host, int(port)))

    async def ended(self) -> tuple[int, str]:
        """Exit status, and what stood on standard output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            output = (await self.process.stdout.read()).decode()
            return await self.process.wait(), output

    async def stopped(self) -> int:
        """Exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def said(self) -> list[str]:
        """All further lines on standard error, to its end."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stderr.read()).decode().splitlines()


@contextlib.asynccontextmanager
async def started(
    *arguments: str, stdout: int = PIPE, stderr: int = PIPE, prefix: str = "", **environment: str
) -> AsyncIterator[Process]:
    """``python -m proxy ARGUMENTS``; killed at the end if it still runs.

    ``prefix``: what a shell does first, ``"ulimit -n 64"`` for one. ``stdout``, ``stderr``: a
    descriptor, or a pipe that is read here.
    """
    command = (sys.executable, "-m", "proxy", *arguments)
    if prefix:
        command = ("/bin/sh", "-c", f'{prefix}; exec "$@"', "sh", *command)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=stdout, stderr=stderr, env={**os.environ, **environment}
    )
    try:
        yield Process(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        # Children that outlive it hold its pipes open for a while: uvloop may hang as a loop ends.
        process._transport.close()  # type: ignore[attr-defined]


async def connected(path: str) -> RawClient:
    """Where standard error says nothing, the socket says that the proxy is ready."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                return await RawClient.connect(path)
            await asyncio.sleep(0.02)
