"""Standard output and standard error that are full, closed, or read by nobody.

The proxy serves on and drains: a supervisor that does not read cannot hold up a request or a stop.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import PATIENCE, connected, started
from tests.support.upstream import closed_port

REQUESTS = {"nobody reads": 700}
"""More than the 64 KiB that a pipe holds: a line of the log has over 100 bytes."""
HELLO = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
BEHIND = """
[server]
listen = "unix:{path}/proxy.sock"
[log]
level = "info"
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:{port}"]
"""


@contextlib.contextmanager
def nobody(kind: str) -> Iterator[int]:
    """A descriptor to write to, for whose reader the same is true throughout."""
    if kind == "full disk":
        descriptor = os.open("/dev/full", os.O_WRONLY)
        yield descriptor
        os.close(descriptor)
        return
    reader, writer = os.pipe()
    if kind == "reader left":
        os.close(reader)
    elif kind == "pipe already full":
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    if kind != "reader left":
        os.close(reader)


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("kind", ["nobody reads", "pipe already full", "reader left", "full disk"])
async def test_the_proxy_serves_on_and_drains(tmp_path: Path, kind: str, stream: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(BEHIND.format(path=tmp_path, port=closed_port()))
    with nobody(kind) as descriptor:
        pipes = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
        for name in pipes if stream == "both" else (stream,):
            pipes[name] = descriptor
        async with started(
            "run", str(config), stdout=pipes["stdout"], stderr=pipes["stderr"]
        ) as proxy:
            async with await connected(f"{tmp_path}/proxy.sock") as client:
                for number in range(REQUESTS.get(kind, 10)):
                    response = await client.ask(HELLO % number, patience=PATIENCE)
                    assert response.status == 502
            assert await proxy.stopped() == 0


@pytest.mark.parametrize("kind", ["pipe already full", "full disk"])
async def test_a_second_signal_ends_at_once_although_nobody_reads(
    tmp_path: Path, kind: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(BEHIND.format(path=tmp_path, port=closed_port()))
    with nobody(kind) as descriptor:
        async with (
            started("run", str(config), stdout=descriptor, stderr=descriptor) as proxy,
            await connected(f"{tmp_path}/proxy.sock") as client,
        ):
            await client.send(b"GET / HTTP/1.1\r\n")  # a head that never ends
            proxy.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                while (tmp_path / "proxy.sock").exists():  # noqa: ASYNC110 - until it drains
                    await asyncio.sleep(0.01)
            proxy.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                assert await proxy.process.wait() in (0, 1)


@pytest.mark.parametrize(
    ("text", "status"),
    [("[server]\nlisen = 1\n", 2), ('[server]\nlisten = "unix:/nowhere/at/all"\n', 3)],
)
@pytest.mark.parametrize("kind", ["pipe already full", "reader left", "full disk"])
async def test_the_exit_status_is_what_it_would_be(
    tmp_path: Path, kind: str, text: str, status: int
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'{text}[[upstreams]]\nname = "a"\nservers = ["http://127.0.0.1:9"]\n')
    with nobody(kind) as descriptor:
        async with started("run", str(config), stdout=descriptor, stderr=descriptor) as proxy:
            async with asyncio.timeout(PATIENCE):
                assert await proxy.process.wait() == status


@pytest.mark.parametrize("command", ["check", "schema"])
async def test_a_command_whose_output_is_lost_says_so(tmp_path: Path, command: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[server]\nlisen = 1\n")
    arguments = (command, str(config)) if command == "check" else (command,)
    with nobody("full disk") as full:
        async with started(*arguments, stdout=full) as proxy:
            assert "No space left" in await proxy.line("standard output")
            async with asyncio.timeout(PATIENCE):
                assert await proxy.process.wait() == 1
        async with started(*arguments, stdout=full, stderr=full) as proxy:
            async with asyncio.timeout(PATIENCE):
                assert await proxy.process.wait() == 1
