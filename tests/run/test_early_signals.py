"""A signal that comes while the proxy starts ends it quietly, or does nothing.

SIGINT showed the frames of Python; SIGHUP of a supervisor, or of log rotation, killed the process.
"""

import asyncio
import os
import signal
from pathlib import Path
from time import monotonic

import pytest

from tests.support.process import PATIENCE, Process, started

CONFIG = b"""
[server]
listen = "127.0.0.1:0"
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:9"]
"""


async def reading(fifo: Path) -> int:
    """The descriptor to write the configuration to, as soon as the process wants to read it."""
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(os.open, fifo, os.O_WRONLY)


def fifo(folder: Path, name: str = "config.toml") -> Path:
    path = folder / name
    os.mkfifo(path)
    return path


async def ended(proxy: Process) -> tuple[int, str]:
    assert proxy.process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        said = (await proxy.process.stderr.read()).decode()
        return await proxy.process.wait(), said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_during_the_start_is_quiet(tmp_path: Path, number: signal.Signals) -> None:
    path = fifo(tmp_path)
    async with started("run", str(path)) as proxy:
        descriptor = await reading(path)
        proxy.process.send_signal(number)
        assert await ended(proxy) == (-number, "")
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_while_the_start_waits_for_a_pipe_is_heard_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    token = fifo(tmp_path, "token")
    config = tmp_path / "config.toml"
    admin = f'[admin]\nlisten = "127.0.0.1:0"\ntoken_file = "{token}"\n'
    config.write_bytes(CONFIG + admin.encode())
    async with started("run", str(config)) as proxy:
        descriptor = await reading(token)
        await asyncio.sleep(0.3)  # the loop has begun to wait
        begun = monotonic()
        proxy.process.send_signal(number)
        status, said = await ended(proxy)
        assert monotonic() - begun < 5
        assert status == -number
        assert "Traceback" not in said
        assert "cannot start" not in said
        os.close(descriptor)


async def test_a_pipe_whose_writer_waits_already_is_read_by_the_start(tmp_path: Path) -> None:
    token = fifo(tmp_path, "token")
    config = tmp_path / "config.toml"
    admin = f'[admin]\nlisten = "127.0.0.1:0"\ntoken_file = "{token}"\n'
    config.write_bytes(CONFIG + admin.encode())
    writing = asyncio.create_task(asyncio.to_thread(token.write_bytes, b"secret"))
    await asyncio.sleep(0.1)
    async with started("run", str(config)) as proxy:
        await proxy.ready()
        await writing
        assert await proxy.stopped() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
async def test_what_does_not_stop_it_does_not_keep_it_from_starting(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = fifo(tmp_path)
    async with started("run", str(path)) as proxy:
        descriptor = await reading(path)
        proxy.process.send_signal(number)
        os.write(descriptor, CONFIG)
        os.close(descriptor)
        await proxy.ready()
        assert await proxy.stopped() == 0
