"""Socket activation: the sockets are those that an activator has opened, as systemd does."""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.run.sockets.inherited import Inherited
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.process import Process
from tests.support.upstream import RawUpstream

ACTIVATOR = """
import fcntl, os, sys
given = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1].split(",")]
for place, number in enumerate(given):
    os.dup2(number, 3 + place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given))}
os.execv(sys.executable, [sys.executable, "-m", "proxy", *sys.argv[2:]])
"""


@contextlib.asynccontextmanager
async def activated(*words: str, sockets: list[socket.socket]) -> AsyncIterator[Process]:
    numbers = [one.fileno() for one in sockets]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ACTIVATOR, ",".join(map(str, numbers)), *words),
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=numbers,
    )
    try:
        yield Process(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def listening(kind: str, folder: Path) -> tuple[socket.socket, str]:
    """A socket that listens, and what the configuration calls its address."""
    if kind == "unix":
        path = str(folder / "proxy.sock")
        one = socket.socket(socket.AF_UNIX)
        one.bind(path)
        os.chmod(path, 0o600)
        name = f"unix:{path}"
    else:
        one = socket.create_server(("127.0.0.1" if kind != "every" else "0.0.0.0", 0))
        host = {"every": "", "name": "localhost"}.get(kind, "127.0.0.1")
        name = f"{host}:{one.getsockname()[1]}"
    one.listen()
    return one, name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_an_abstract_socket_is_told_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was called ``0:112``."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"\0proxy-{os.getpid()}")
        Inherited([one]).tell_unused()
    assert f"a socket for unix:@proxy-{os.getpid()} was handed over" in caplog.text


@pytest.mark.parametrize("kind", ["tcp", "unix", "every", "name"])
async def test_clients_of_an_inherited_socket_wait_for_one_process_after_the_other(
    kind: str, tmp_path: Path
) -> None:
    one, name = listening(kind, tmp_path)
    with one:
        where = one.getsockname()
        address = where if isinstance(where, str) else ("127.0.0.1", where[1])
        async with RawUpstream() as upstream:
            words = ["run", "--upstream", upstream.url, "--listen", name]
            for _ in range(2):
                # It connects before there is anybody, and waits.
                async with await RawClient.connect(address) as client:
                    await client.send(get())
                    async with activated(*words, sockets=[one]) as process:
                        await process.ready()
                        assert (await client.receive()).status == 200
                        assert await process.stopped() == 0
        if kind == "unix":
            assert (tmp_path / "proxy.sock").stat().st_mode & 0o777 == 0o600


async def test_the_admin_listener_may_be_inherited_too(tmp_path: Path) -> None:
    one, admin = listening("tcp", tmp_path)
    other, listen = listening("tcp", tmp_path)
    with one, other:
        async with RawUpstream() as upstream:
            words = ["run", "--upstream", upstream.url, "--listen", listen, "--admin", admin]
            async with activated(*words, sockets=[one, other]) as process:
                await process.ready()
                assert (process.http, process.admin) == ([listen], admin)
                assert await process.stopped() == 0


async def test_a_socket_that_no_address_names_is_told_of(tmp_path: Path) -> None:
    one, name = listening("tcp", tmp_path)
    with one:
        async with RawUpstream() as upstream:
            words = ["run", "--upstream", upstream.url, "--listen", "127.0.0.1:0"]
            async with activated(*words, sockets=[one]) as process:
                line = await process.line("handed over")
                assert f"a socket for {name} was handed over, and nothing listens there" in line
                assert await process.stopped() == 0


def test_sockets_of_another_process_are_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "PATH": "/bin"}
        assert Inherited.of_environment(environ).take(f"127.0.0.1:{port}") is None
    assert environ == {"PATH": "/bin"}


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="Linux has it")
def test_an_activator_may_say_when_silent_clients_are_asked() -> None:
    """KeepAlive= and KeepAliveTimeSec= of a systemd socket stay; else it is as everywhere."""
    idle = socket.IPPROTO_TCP, socket.TCP_KEEPIDLE
    for said, becomes in ((None, 45), (600, 600)):
        one = socket.create_server(("127.0.0.1", 0))
        if said is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            one.setsockopt(*idle, said)
        taken = Inherited([one]).take(f"127.0.0.1:{one.getsockname()[1]}")
        assert taken is not None
        with one, taken:
            assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert taken.getsockopt(*idle) == becomes


async def test_sockets_are_for_one_worker(tmp_path: Path) -> None:
    one, name = listening("tcp", tmp_path)
    with one:
        words = ["run", "--upstream", "http://127.0.0.1:1", "--listen", name]
        words += ["--set", "server.workers=2"]
        async with activated(*words, sockets=[one]) as process:
            said = await process.said()
            assert (await process.ended())[0] == 3
            assert said[-1].endswith("(socket activation) are for [server] workers = 1")
