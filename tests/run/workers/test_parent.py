"""Several workers as their clients and their service manager see them: start and stop."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.client import ask
from tests.support.message import OK, get
from tests.support.process import PATIENCE, started
from tests.support.upstream import RawUpstream, closed_port
from tests.support.workers import (
    configured,
    crew,
    ended,
    refused,
    serving,
    state,
    two_held,
    where,
)


async def test_a_stop_waits_for_requests_of_all_workers(tmp_path: Path) -> None:
    async with two_held(tmp_path) as (proxy, one, other, answer):
        proxy.process.send_signal(signal.SIGTERM)
        for _ in range(2):
            assert "1 request in flight" in await proxy.line("draining")
        await refused(proxy)
        answer.set()
        for client in (one, other):
            response = await client.receive()
            assert (response.status, response.value("Connection")) == (200, b"close")
        assert (await proxy.ended())[0] == 0


async def test_a_second_signal_cuts_what_is_left(tmp_path: Path) -> None:
    async with (
        RawUpstream(["hold"]) as upstream,
        crew(tmp_path, upstream) as proxy,
        await proxy.client() as client,
    ):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        proxy.process.send_signal(signal.SIGINT)
        await proxy.line("draining")
        proxy.process.send_signal(signal.SIGINT)
        status, output = await proxy.ended()
        assert status == 1
        assert json.loads(output)["status"] == 503


async def test_a_worker_that_dies_during_the_drain_is_no_clean_end(tmp_path: Path) -> None:
    async with two_held(tmp_path) as (proxy, *_):
        pids = serving(await state(proxy))
        proxy.process.send_signal(signal.SIGTERM)
        for _ in range(2):
            await proxy.line("draining")
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        assert (await proxy.ended())[0] == 1


async def test_signals_to_the_whole_group_are_one_stop(tmp_path: Path) -> None:
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK], [OK]) as upstream,
        crew(tmp_path, upstream, more='[shutdown]\ndelay = "1s"') as proxy,
        await proxy.client() as client,
    ):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        pids = serving(await state(proxy))
        for pid in (*pids.values(), proxy.process.pid):  # as systemd and terminals do
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGHUP)
        await proxy.line("stopping: the listeners close in 1 s")
        assert (await ask(where(proxy.http[0]), get("/during"))).status == 200
        answer.set()
        assert (await client.receive()).status == 200
        assert (await proxy.ended())[0] == 0


async def test_workers_of_a_parent_that_was_killed_finish_and_end(tmp_path: Path) -> None:
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK]) as upstream,
        crew(tmp_path, upstream) as proxy,
        await proxy.client() as client,
    ):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        pids = serving(await state(proxy))
        proxy.process.kill()
        for _ in pids:
            await proxy.line("the parent process has ended")
        answer.set()
        assert (await client.receive()).status == 200
        await refused(proxy)
        await ended(proxy)


async def test_the_service_manager_hears_of_the_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE)
        file = configured(tmp_path, f"http://127.0.0.1:{closed_port()}")
        async with started("run", file, NOTIFY_SOCKET=path) as proxy:
            await proxy.ready()
            assert manager.recv(100) == b"READY=1"
            assert len(serving(await state(proxy))) == 2
            ready = await ask(where(proxy.admin), get("/readyz", host=b"127.0.0.1"))
            assert ready.status == 200
            assert await proxy.stopped() == 0
            assert manager.recv(100) == b"STOPPING=1"
            manager.setblocking(False)
            with pytest.raises(BlockingIOError):
                manager.recv(100)


@pytest.mark.parametrize("why", ["taken", "certificate"])
async def test_what_cannot_start_is_said_once(why: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1] if why == "taken" else 0
        tls = f'[server.tls]\ncertificates = [{{ cert_file = "{tmp_path}/x.pem" }}]\n'
        file = configured(
            tmp_path,
            "http://127.0.0.1:9",
            f'"127.0.0.1:{port}"',
            server=tls if why == "certificate" else "",
        )
        (tmp_path / "x.pem").write_text("no certificate")
        async with started("run", file) as proxy:
            said = await proxy.said()
            status, _ = await proxy.ended()
        if why == "taken":
            assert [line for line in said if "cannot start" in line] == [
                next(line for line in said if f"port {port} is taken" in line)
            ]
            assert status == 3
        else:
            assert status in (2, 3)


async def test_lines_are_whole_however_long(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        long = "/" + "x" * 9_000

        async def one() -> None:
            async with await proxy.client() as client:
                for _ in range(20):
                    assert (await client.ask(get(long))).status == 200

        assert proxy.process.stdout is not None
        reading = asyncio.create_task(proxy.process.stdout.read())
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(one())
        assert await proxy.stopped() == 0
        lines = (await reading).splitlines()
        assert len(lines) == 160
        assert {json.loads(line)["target"] for line in lines} == {long}


async def test_an_address_that_another_listener_of_the_proxy_has_is_named(tmp_path: Path) -> None:
    port = closed_port()
    admin = f'[admin]\nlisten = "127.0.0.1:{port}"\n'
    path = configured(tmp_path, "http://127.0.0.1:9", f'"localhost:{port}"', admin=admin)
    async with started("run", path) as proxy:
        told = await proxy.line("cannot start")
        assert f"cannot listen on localhost:{port}: port {port} is taken" in told
        assert (await proxy.ended())[0] == 3
