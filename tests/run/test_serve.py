"""The process as its supervisor sees it: ready line, signals, exit status, standard output."""

import asyncio
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import from_upstream
from proxy.run import serve
from proxy.run.workers import parent
from tests.support.message import OK
from tests.support.process import PATIENCE, connected, started
from tests.support.upstream import RawUpstream, closed_port

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_standard_output_is_the_access_log(
    number: signal.Signals,
) -> None:
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK]) as upstream,
        started("run", "--upstream", upstream.url, "--listen", "127.0.0.1:0") as proxy,
    ):
        await proxy.ready()
        async with await proxy.client() as client:
            await client.send(HELLO)
            await upstream.until(lambda: len(upstream.requests) == 1)
            proxy.process.send_signal(number)
            assert "1 request in flight, up to 30 s" in await proxy.line("draining")
            assert proxy.process.returncode is None
            answer.set()
            response = await client.receive()
            assert (response.status, response.value("Connection")) == (200, b"close")
        status, output = await proxy.ended()
        assert status == 0
        lines = [json.loads(line) for line in output.splitlines()]
        assert [(line["method"], line["status"]) for line in lines] == [("GET", 200)]


async def test_a_second_signal_ends_at_once() -> None:
    async with (
        RawUpstream(["hold"]) as upstream,
        started("run", "--upstream", upstream.url, "--listen", "127.0.0.1:0") as proxy,
    ):
        await proxy.ready()
        async with await proxy.client() as client:
            await client.send(HELLO)
            await upstream.until(lambda: len(upstream.requests) == 1)
            proxy.process.send_signal(signal.SIGTERM)
            await proxy.line("draining")
            assert proxy.process.returncode is None
            proxy.process.send_signal(signal.SIGTERM)
            status, output = await proxy.ended()
        assert status == 1  # a request was cut
        assert json.loads(output)["status"] == 503


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
async def test_other_signals_are_ignored_with_a_word(number: signal.Signals) -> None:
    async with (
        RawUpstream() as upstream,
        started("run", "--upstream", upstream.url, "--listen", "127.0.0.1:0") as proxy,
    ):
        await proxy.ready()
        proxy.process.send_signal(number)
        assert "ignored" in await proxy.line(number.name)
        async with await proxy.client() as client:
            assert (await client.ask(HELLO)).status == 200


async def test_sighup_reads_the_configuration_again(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    async with RawUpstream() as upstream:
        text = f"""
            [server]
            listen = "127.0.0.1:0"
            [[upstreams]]
            name = "api"
            servers = ["{upstream.url}"]
            [[routes]]
            path = "/v1"
            upstream = "api"
            """
        config.write_text(text)
        async with started("run", str(config)) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                assert (await client.ask(HELLO)).status == 404
                config.write_text(text.replace("/v1", "/"))
                proxy.process.send_signal(signal.SIGHUP)
                assert "added route /" in await proxy.line("reload (SIGHUP)")
                assert (await client.ask(HELLO)).status == 200
                config.write_text(text.replace("path", "pth"))
                proxy.process.send_signal(signal.SIGHUP)
                assert "config.toml:8: routes[0].pth: unknown option" in await proxy.line("pth")
                await proxy.line("refused")
                assert (await client.ask(HELLO)).status == 200
            assert await proxy.stopped() == 0


async def test_the_service_manager_is_told_of_a_reload(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE)
        arguments = ("run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")
        async with started(*arguments, NOTIFY_SOCKET=path) as proxy:
            await proxy.ready()
            assert manager.recv(100) == b"READY=1"
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            proxy.process.send_signal(signal.SIGHUP)
            told = re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=(\d+)", manager.recv(100))
            assert told is not None
            assert int(told[1]) >= before
            assert "nothing has changed" in await proxy.line("reload")
            assert manager.recv(100) == b"READY=1"


async def test_an_address_that_is_taken_fails_to_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with started("run", "--upstream", "http://127.0.0.1:1", "--listen", address) as proxy:
            assert "cannot start" in await proxy.line("cannot start")
            assert await proxy.ended() == (3, "")


async def test_what_is_found_before_anything_is_opened_fails_to_start_too() -> None:
    arguments = ("run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")
    async with started(*arguments, AIOHTTP_NO_EXTENSIONS="1") as proxy:
        assert "cannot start: aiohttp runs on its pure" in await proxy.line("cannot start")
        assert await proxy.ended() == (3, "")


async def test_a_pipe_is_no_file_for_several_workers(tmp_path: Path) -> None:
    """Each of them would read a part of it, or nothing."""
    os.mkfifo(tmp_path / "key")
    file = tmp_path / "p.toml"
    file.write_text(
        '[server]\nlisten = "127.0.0.1:0"\nworkers = 2\n[[upstreams]]\nname = "a"\n'
        'servers = ["http://127.0.0.1:1"]\n[upstreams.credentials]\n'
        f'value_file = "{tmp_path}/key"\n[[routes]]\nupstream = "a"\n'
    )
    async with started("run", str(file)) as proxy:
        assert "key' is a pipe, which gives its bytes once" in await proxy.line("cannot start")
        assert await proxy.ended() == (3, "")


FAILS = """
import sys
from {module} import {kind}
def fails(*_):
    raise RuntimeError("can't start new thread")
{kind}.{method} = fails
from proxy.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("workers", "names"),
    [
        (1, {"module": "proxy.run.runtime", "kind": "Runtime", "method": "open"}),
        (2, {"module": "proxy.run.workers.addresses", "kind": "Addresses", "method": "prepare"}),
    ],
)
def test_what_nobody_foresaw_fails_to_start_too(workers: int, names: dict[str, str]) -> None:
    """Python's own exit status is 1: that a stop has cut requests, after which nothing is tried."""
    arguments = ["run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"]
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            FAILS.format(**names),
            *arguments,
            "--set",
            f"server.workers={workers}",
        ],
        capture_output=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"cannot start" in ended.stderr
    assert b"can't start new thread" in ended.stderr


async def test_a_bad_file_is_told_from_a_failed_start(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\nlisen = 1\n")
    async with started("run", str(tmp_path / "config.toml")) as proxy:
        line = await proxy.line("lisen")
        assert line.endswith(
            "config.toml:2: server.lisen: unknown option, did you mean 'listen'?\n"
        )
        assert await proxy.ended() == (2, "")


async def test_the_service_manager_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE)
        arguments = ("run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")
        async with started(*arguments, NOTIFY_SOCKET=path) as proxy:
            await proxy.ready()
            assert manager.recv(100) == b"READY=1"
            proxy.process.send_signal(signal.SIGTERM)
            assert (await proxy.ended())[0] == 0
            assert manager.recv(100) == b"STOPPING=1"


async def test_several_addresses_and_the_admin_listener_are_named_with_real_ports(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[server]\nlisten = ["127.0.0.1:0", "[::1]:0", "unix:{tmp_path}/http.sock"]\n'
        '[admin]\nlisten = "127.0.0.1:0"\n'
        '[[upstreams]]\nname = "a"\nservers = ["http://127.0.0.1:1"]\n'
    )
    async with started("run", str(config)) as proxy:
        await proxy.ready()
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", proxy.http[0])
        assert re.fullmatch(r"\[::1\]:[1-9]\d*", proxy.http[1])
        assert proxy.http[2] == f"unix:{tmp_path}/http.sock"
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", proxy.admin)
        proxy.process.send_signal(signal.SIGTERM)
        assert (await proxy.ended())[0] == 0
        assert not (tmp_path / "http.sock").exists()


async def test_a_socket_on_which_somebody_listens_is_not_taken_away(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/proxy.sock"
    arguments = ("run", "--upstream", "http://127.0.0.1:9", "--listen", address)
    async with started(*arguments) as first:
        await first.ready()
        async with started(*arguments) as second:
            status, _ = await second.ended()
            assert status == 3
        first.process.kill()
        await first.process.wait()
    async with started(*arguments) as after_a_crash:
        await after_a_crash.ready()
        after_a_crash.process.send_signal(signal.SIGTERM)
        status, _ = await after_a_crash.ended()
        assert status == 0
    assert not (tmp_path / "proxy.sock").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_closed_standard_streams_are_no_reason_to_fall_over(
    tmp_path: Path, closed: str
) -> None:
    address = f"unix:{tmp_path}/proxy.sock"
    arguments = ("run", "--upstream", f"http://127.0.0.1:{closed_port()}", "--listen", address)
    async with started(*arguments, prefix=f"exec {closed}") as proxy:
        async with await connected(f"{tmp_path}/proxy.sock") as client:
            for _ in range(10):
                assert (await client.ask(HELLO, patience=PATIENCE)).status == 502
        assert await proxy.stopped() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_start_without_descriptors_says_so(
    workers: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ended with the frames of Python, and with 1: requests were cut."""

    def none_left(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(serve, "Runtime", none_left)
    monkeypatch.setattr(parent, "Crew", none_left)
    config = from_upstream("http://127.0.0.1:1", listen="127.0.0.1:0")
    if workers == 1:
        status = await serve.serve(config)
    else:
        status = await parent.serve_by_workers(config, workers, None, "")
    said = capsys.readouterr().err
    assert (status, said.count("\n")) == (3, 1)
    assert said.startswith("sidecar-proxy: cannot start: ")
    assert "Too many open files" in said
