"""What ``sidecar-proxy top`` shows."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.admin.top import command
from proxy.admin.top.terminal import Line
from proxy.admin.top.watch import Watched
from proxy.cli import main
from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import Script, closed_port

BUSY: Script = ["wait-body", b"HTTP/1.1 500 Busy\r\nContent-Length: 4\r\n\r\nbusy"]
SILENT: Script = ["hold"]


async def _printed(*words: str) -> int:
    return await asyncio.to_thread(main, ["top", "--once", *words])


async def test_it_shows_what_is_wrong_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    tables: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}, "concurrency": {}}
    async with dialled(BUSY, SILENT, retry=False, **tables) as (upstream, proxy, client):
        await proxy.ask(get("/first%1B[2J"))
        await client.send(get("/held"))
        server = upstream.url.removeprefix("http://")
        async with asyncio.timeout(30):
            while "! /: The API answers with errors, since " not in (  # noqa: ASYNC110 - it is polled by design
                out := await _shown(proxy.runtime.admin, capsys)
            ):
                await asyncio.sleep(0.1)
        assert out.startswith(f"{proxy.runtime.admin}  0.0 calls/s  100.0 % failed  1 in flight")
        assert f". 1 call in the last second at api ({server}), up to " in out
        assert "api: 1 of 1024 requests, 0 wait" in out
        assert "GET /held" in out.partition("IN FLIGHT")[2]
        assert "GET /first%1B[2J" in out.partition("SLOW OR FAILED")[2]
        assert f"api ({server}) answered 500" in out


async def _shown(address: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert await _printed("--admin", address) == 0
    return capsys.readouterr().out


async def test_several_proxies_are_shown_and_one_is_not_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nobody = f"127.0.0.1:{closed_port()}"
    async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        assert await _printed("--admin", nobody, "--admin", proxy.runtime.admin) == 0
        out = capsys.readouterr().out
        assert f"{nobody}: not reached: Connection refused\n" in out
        assert f"{proxy.runtime.admin}  0.0 calls/s  - failed  0 in flight" in out
        assert "Nothing is asked at the moment" in out
    assert await _printed("--admin", nobody) == 1


async def test_a_proxy_that_refuses_is_told_from_one_that_is_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses to be asked by a name that is not in ``[admin] hosts``."""
    found = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, *more: found("127.0.0.1" if host == "machine" else host, *more),
    )
    nobody = f"127.0.0.1:{closed_port()}"
    async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        refusing = proxy.runtime.admin.replace("127.0.0.1", "machine")
        assert await _printed("--admin", nobody, "--admin", refusing) == 2
        said = capsys.readouterr()
        assert f"{refusing}: refused: /api/causes: 403, " in said.out
        assert f"{nobody}: not reached: Connection refused\n" in said.out
        assert "no proxy was reached" not in said.err
        assert await _printed("--admin", refusing, "--admin", proxy.runtime.admin) == 0


async def test_an_address_that_is_none_is_a_wrong_argument(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await _printed("--admin", "nowhere") == 2
    said = capsys.readouterr()
    assert "expected HOST:PORT" in said.out
    assert not said.err


def test_it_goes_on_until_it_is_told_to_stop(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[float] = []

    def sleep(seconds: float) -> None:
        times.append(seconds)
        if len(times) == 3:
            raise KeyboardInterrupt

    looks = iter([0, 1, 0, 0])  # it restarts meanwhile

    def ask(watched: Sequence[Watched], _: float) -> None:
        watched[0].status = next(looks)

    monkeypatch.setattr(command, "ask", ask)
    monkeypatch.setattr(command, "screen", lambda *_: [Line("seen")])
    monkeypatch.setattr("time.sleep", sleep)
    assert command.show(["127.0.0.1:9901"]) == 0
    assert capsys.readouterr().out.count("seen") == 3


def test_a_proxy_that_is_not_there_at_first_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.show([f"127.0.0.1:{closed_port()}"]) == 1
    said = capsys.readouterr()
    assert said.out.count("not reached") == 1
    assert "a proxy listens there only with an [admin] table" in said.err


@pytest.mark.parametrize("once", [True, False])
async def test_whoever_reads_a_part_of_it_leaves_no_complaint(once: bool) -> None:
    """As with ``| head -1``; and no escape codes go into a pipe."""
    async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        words = [sys.executable, "-m", "proxy", "top", "--admin", proxy.runtime.admin]
        reads, writes = os.pipe()
        if once:
            os.close(reads)  # nobody reads at all
        process = await asyncio.create_subprocess_exec(
            *words,
            *(["--once"] if once else []),
            stdout=writes,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        os.close(writes)
        async with asyncio.timeout(60):
            if not once:
                first = await asyncio.to_thread(os.read, reads, 65536)
                assert first.startswith(proxy.runtime.admin.encode())
                assert b"\33" not in first
                os.close(reads)
            _, complaints = await process.communicate()
        assert (process.returncode, complaints) == (0, b"")


async def test_a_proxy_that_stands_still_is_said_to_beside_one_that_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the kernel takes the connection
        hung = f"127.0.0.1:{deaf.getsockname()[1]}"
        async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
            assert await _printed("--admin", hung, "--admin", proxy.runtime.admin) == 0
            out = capsys.readouterr().out
            assert out.startswith(f"{hung}: asked, no answer yet\n{proxy.runtime.admin}  ")
            assert await _printed("--admin", hung) == 1
