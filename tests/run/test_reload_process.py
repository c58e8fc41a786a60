"""Reloads of a real process: what is in flight, what is watched, who asks."""

import asyncio
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.message import OK, chunked, get, length, post
from tests.support.peer import Peer, echo
from tests.support.process import PATIENCE, Process, started
from tests.support.tunnel import OFFER
from tests.support.upstream import HEALTHY, RawUpstream, Script, closed_port

EVENTS: bytes = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def written(path: Path, *servers: str, more: str = "", server: str = "", route: str = "") -> None:
    """A configuration with these servers."""
    listed = ", ".join(f'"{each}"' for each in servers)
    path.write_text(
        f"""
        [server]
        listen = "127.0.0.1:0"
        {server}
        [admin]
        listen = "127.0.0.1:0"
        [[upstreams]]
        name = "api"
        servers = [{listed}]
        [[routes]]
        upstream = "api"
        {route}
        {more}
        """
    )


async def hung_up(proxy: Process, says: str = "reload (SIGHUP)") -> str:
    """The line that says what came of a SIGHUP."""
    proxy.process.send_signal(signal.SIGHUP)
    return await proxy.line(says)


async def command(*arguments: str) -> tuple[int, str]:
    """Exit status of a command, and what it said."""
    async with started(*arguments) as process:
        said = asyncio.ensure_future(process.said())
        status, _ = await process.ended()
        return status, "\n".join(await said)


async def test_a_post_a_stream_and_a_tunnel_outlive_reloads_that_change_everything(
    tmp_path: Path,
) -> None:
    path, answer, more = tmp_path / "config.toml", asyncio.Event(), asyncio.Event()
    stream: Script = [EVENTS, chunked(b"data: a\n\n", end=b""), more, chunked(b"data: b\n\n")]
    async with (
        RawUpstream(["wait-body", answer, OK], stream) as old,
        RawUpstream(HEALTHY) as new,
        Peer(echo) as peer,
    ):
        tunnels = f"""
        [[upstreams]]
        name = "tunnels"
        servers = ["{peer.url}"]
        [[routes]]
        path = "/chat"
        upstream = "tunnels"
        """
        written(path, old.url, more=tunnels)
        async with started("run", str(path)) as proxy:
            await proxy.ready()
            posting, streaming, tunnel = [await proxy.client() for _ in range(3)]
            await posting.send(post(b"order"))
            await old.until(lambda: len(old.requests) == 1)
            await streaming.send(get())
            await streaming.read_until(b"data: a\n\n")
            await tunnel.send(OFFER % b"websocket")
            await tunnel.read_until(b"\r\n\r\n")
            for number in range(3):
                written(path, new.url, route=f'timeouts = {{ idle = "{number + 1}m" }}')
                assert "timeouts.idle" in await hung_up(proxy)
            async with await proxy.client() as client:
                assert (await client.ask(get())).status == 200
            assert (len(old.requests), len(new.requests)) == (2, 1)
            await tunnel.send(b"ping")
            await tunnel.read_until(b"ping")
            answer.set()
            more.set()
            assert (await posting.receive()).status == 200
            await streaming.read_until(b"data: b\n\n")
            for each in (posting, streaming, tunnel):
                each.close()
            assert await proxy.stopped() == 0


async def test_watch_reloads_when_the_file_or_a_file_that_it_names_changes(tmp_path: Path) -> None:
    path, sorry = tmp_path / "config.toml", tmp_path / "sorry.txt"
    sorry.write_text("one")
    nobody = f"http://127.0.0.1:{closed_port()}"
    fixed = f"retry = false\nfallback = {{ file = '{sorry}' }}"
    written(path, nobody, route=fixed)
    async with started("run", "--watch", str(path)) as proxy:
        await proxy.ready()
        async with await proxy.client() as client:
            assert (await client.ask(get())).body == b"one"
            sorry.write_text("another")
            assert "sorry.txt" in await proxy.line("changed: ")
            await proxy.line("reload (--watch)")
            assert (await client.ask(get())).body == b"another"
            other = tmp_path / "new.toml"
            written(other, nobody, route=fixed.replace("file =", "status = 200, file ="))
            os.replace(other, path)  # as editors do
            assert "fallback" in await proxy.line("reload (--watch)")
            assert (await client.ask(get())).status == 200
            path.write_text("nonsense")
            await proxy.line("refused")
            assert (await client.ask(get())).status == 200
        assert await proxy.stopped() == 0


async def test_the_command_says_what_has_changed_or_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    written(path, "http://127.0.0.1:1")
    async with started("run", str(path)) as proxy:
        await proxy.ready()
        written(path, "http://127.0.0.1:2")
        status, said = await command("reload", "--admin", proxy.admin)
        assert status == 0
        assert "added server http://127.0.0.1:2 of upstream api" in said
        path.write_text("[server]\nlisen = 1\n[log]\nlevl = 1\n")
        status, said = await command("reload", "--admin", proxy.admin)
        assert status == 2
        assert "config.toml:2: server.lisen" in said
        assert "config.toml:4: log.levl" in said
        assert await proxy.stopped() == 0
    status, said = await command("reload", "--admin", proxy.admin)
    assert status == 1
    assert "no proxy was reached" in said
    assert "SIGHUP does the same, sent to its process: kill -HUP PID" in said


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"server": 'tls = { certificates = [{ cert_file = "no.pem" }] }'}, "no.pem"),
        ({"route": 'fallback = { file = "/no/such/file" }'}, "/no/such/file"),
    ],
    ids=["certificate", "fallback"],
)
async def test_a_file_that_cannot_be_used_changes_nothing(
    tmp_path: Path, tables: dict[str, Any], says: str
) -> None:
    path = tmp_path / "config.toml"
    async with RawUpstream(HEALTHY) as upstream:
        written(path, upstream.url)
        async with started("run", str(path)) as proxy:
            await proxy.ready()
            written(path, upstream.url, **tables)
            assert says in await hung_up(proxy, "reload: ")
            await proxy.line("refused")
            async with await proxy.client() as client:
                assert (await client.ask(get())).status == 200
            assert await proxy.stopped() == 0


async def test_log_and_shutdown_options_apply(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    async with RawUpstream(["hold"]) as upstream:
        written(path, upstream.url)
        async with started("run", str(path)) as proxy:
            await proxy.ready()
            written(
                path,
                upstream.url,
                more="[log]\nformat = 'console'\n[shutdown]\ngrace_period = '10ms'\n",
            )
            assert "[log] (format)" in await hung_up(proxy)
            async with await proxy.client() as client:
                await client.send(get())
                await upstream.until(lambda: len(upstream.requests) == 1)
                proxy.process.send_signal(signal.SIGTERM)
                status, output = await proxy.ended()
                assert status == 1  # cut after 10 ms
            assert "GET /" in output
            assert "{" not in output


async def test_a_reload_during_a_stop_is_none(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    answer = asyncio.Event()
    async with RawUpstream([answer, OK]) as upstream:
        written(path, upstream.url)
        async with started("run", str(path)) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                await client.send(get())
                await upstream.until(lambda: len(upstream.requests) == 1)
                proxy.process.send_signal(signal.SIGTERM)
                await proxy.line("draining")
                assert "the proxy is stopping" in await hung_up(proxy, "SIGHUP")
                answer.set()
                assert (await client.receive()).status == 200
            assert (await proxy.ended())[0] == 0


async def test_a_rotated_secret_is_sent_after_a_reload_too(tmp_path: Path) -> None:
    path, secret = tmp_path / "config.toml", tmp_path / "secret"
    secret.write_text("Bearer one")
    async with RawUpstream(["wait-body", length(b"ok")]) as upstream:
        written(path, upstream.url)
        text = path.read_text().replace(
            "[[routes]]", f"[upstreams.credentials]\nvalue_file = '{secret}'\n[[routes]]"
        )
        path.write_text(text)
        async with started("run", str(path)) as proxy:
            await proxy.ready()
            for value in ("one", "two"):
                secret.write_text(f"Bearer {value}")
                path.write_text(text + f"\n[log]\nredact = ['{value}']\n")
                await hung_up(proxy)
                async with await proxy.client() as client:
                    async with asyncio.timeout(PATIENCE):
                        while True:
                            assert (await client.ask(get())).status == 200
                            seen = upstream.requests[-1].head.value("Authorization")
                            if seen == f"Bearer {value}".encode():
                                break
                            await asyncio.sleep(0.05)
            assert await proxy.stopped() == 0


async def test_watch_reloads_workers_too(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    async with RawUpstream(HEALTHY) as upstream:
        written(path, upstream.url, server="workers = 2")
        async with started("run", "--watch", str(path)) as proxy:
            await proxy.ready()
            written(path, upstream.url, server="workers = 2", route="methods = ['POST']")
            assert "added route POST /" in await proxy.line("reload (--watch)")
            for _ in range(4):
                async with await proxy.client() as client:
                    assert (await client.ask(get())).status == 405
            assert await proxy.stopped() == 0


async def test_a_file_that_has_become_a_pipe_is_refused_and_holds_no_stop_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.toml"
    written(path, f"http://127.0.0.1:{closed_port()}")
    async with started("run", str(path)) as proxy:
        await proxy.ready()
        path.unlink()
        os.mkfifo(path)
        assert "cannot be read: it is no regular file" in await hung_up(proxy, "reload: ")
        proxy.process.send_signal(signal.SIGTERM)
        status, _ = await proxy.ended()
        assert status == 0


async def test_a_reload_without_a_descriptor_is_made_when_there_is_one_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.toml"
    written(path, "http://127.0.0.1:1")
    async with started("run", "--watch", str(path)) as proxy:
        await proxy.ready()
        pid = proxy.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        written(path, "http://127.0.0.1:2")
        assert "Too many open files" in await proxy.line("file: cannot be read")
        await proxy.line("the reload is tried again in 1 s")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        done = await proxy.line('"message":"reload (--watch): added server')
        assert "added server http://127.0.0.1:2 of upstream api" in done
        assert await proxy.stopped() == 0


async def test_a_port_that_is_taken_is_listened_on_once_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    written(path, "http://127.0.0.1:1")
    async with started("run", "--watch", str(path)) as proxy:
        await proxy.ready()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            path.write_text(path.read_text().replace("127.0.0.1:0", address, 1))
            assert "is taken" in await proxy.line(f"cannot listen on {address}")
            await proxy.line("the reload is tried again in")
        assert address in await proxy.line('"message":"reload (--watch): added listener')
        assert await proxy.stopped() == 0
