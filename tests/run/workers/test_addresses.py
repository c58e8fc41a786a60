"""Addresses and the admin listener change by a reload while several workers serve."""

import asyncio
import contextlib
import errno
import os
import re
import signal
import stat
from pathlib import Path

import pytest

from proxy.edge.options import ServerOptions
from proxy.run.reasons import CannotListen
from proxy.run.workers.addresses import Addresses
from tests.support.client import ask
from tests.support.message import OK, get
from tests.support.process import Process
from tests.support.upstream import HEALTHY, RawUpstream
from tests.support.workers import configured, crew, replaced, serving, state, stopped, where

SEVERAL = 8
"""Requests over connections of their own, so that each worker has some."""


def server(**options: object) -> ServerOptions:
    return ServerOptions(**options)  # type: ignore[arg-type]  # as TOML has them


def test_what_stays_is_not_bound_again_and_what_is_new_goes_with_a_failure(tmp_path: Path) -> None:
    one, other = f"unix:{tmp_path}/one", f"unix:{tmp_path}/other"
    addresses = Addresses(2)
    addresses.follow(addresses.prepare(server(listen=one)))
    [first] = addresses.bound
    with pytest.raises(CannotListen):
        addresses.prepare(server(listen=(one, other, f"unix:{tmp_path}/no/folder")))
    assert [each.name for each in tmp_path.iterdir()] == ["one"]
    prepared = addresses.prepare(server(listen=(other, one)))
    assert prepared[1] is first
    addresses.abandon(prepared)
    assert [each.name for each in tmp_path.iterdir()] == ["one"]
    addresses.follow(addresses.prepare(server(listen=other)))
    assert [each.name for each in tmp_path.iterdir()] == ["other"]
    addresses.close()
    assert not list(tmp_path.iterdir())


def test_rights_that_cannot_be_had_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "chown", refuse)
    one, other = f"{tmp_path}/one", f"{tmp_path}/other"
    listen = (f"unix:{one}", f"unix:{other}")
    addresses = Addresses(2)
    addresses.follow(addresses.prepare(server(listen=listen, unix_mode="0666")))
    changed = server(listen=listen, unix_mode="0600", unix_owner=str(os.getuid() + 1))
    with pytest.raises(CannotListen, match="may not give the socket to"):
        addresses.prepare(changed)
    narrowed = server(listen=listen, unix_mode="0600")
    addresses.abandon(addresses.prepare(narrowed))
    assert (mode(one), mode(other)) == (0o666, 0o666)
    addresses.follow(addresses.prepare(narrowed))
    addresses.abandon(addresses.prepare(narrowed))
    assert (mode(one), mode(other)) == (0o600, 0o600)
    addresses.close()


async def reloaded(proxy: Process, says: str) -> str:
    proxy.process.send_signal(signal.SIGHUP)
    line = await proxy.line("reload (SIGHUP)")
    assert says in line, line
    return line


def with_admin(folder: Path, upstream: RawUpstream, table: str) -> None:
    """The file, with this table in place of its own."""
    path = Path(configured(folder, upstream.url))
    path.write_text(path.read_text().replace('[admin]\nlisten = "127.0.0.1:0"', table))


def mode(path: str) -> int:
    """Who may connect."""
    return stat.S_IMODE(os.stat(path).st_mode)


def sockets(folder: Path) -> list[str]:
    """The unix sockets that are there."""
    return sorted(each.name for each in folder.glob("*.sock"))


async def served(address: tuple[str, int] | str) -> None:
    for _ in range(SEVERAL):
        assert (await ask(address, get())).status == 200


async def gone(address: tuple[str, int] | str) -> None:
    """Nobody listens there any more."""
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await ask(address, get())


async def test_addresses_come_and_go_and_workers_and_their_connections_stay(
    tmp_path: Path,
) -> None:
    answer, path = asyncio.Event(), f"{tmp_path}/http.sock"
    async with (
        RawUpstream([answer, OK], HEALTHY) as upstream,
        crew(tmp_path, upstream) as proxy,
        await proxy.client() as held,
    ):
        await held.send(get("/held"))
        await upstream.until(lambda: len(upstream.requests) == 1)
        pids, first = serving(await state(proxy)), where(proxy.http[0])
        configured(tmp_path, upstream.url, f'["127.0.0.1:0", "unix:{path}"]')
        await reloaded(proxy, f"added listener unix:{path}")
        await served(first)
        await served(path)
        assert mode(path) == 0o660
        configured(tmp_path, upstream.url, f'"unix:{path}"', server='unix_mode = "0600"')
        assert '"restart":[]' in await reloaded(proxy, "removed listener 127.0.0.1:0")
        assert mode(path) == 0o600
        await gone(first)
        await served(path)
        assert serving(await state(proxy)) == pids
        answer.set()
        assert (await held.receive()).status == 200
        assert (await held.ask(get())).status == 200
        for slot in (0, 1):  # workers that start later have the addresses of now
            os.kill(pids[slot], signal.SIGKILL)
            pids = await replaced(proxy, pids, slot)
        await served(path)
        configured(tmp_path, upstream.url, '":0"')
        told = await reloaded(proxy, "added listener :0 (0.0.0.0:")
        found = re.search(r"\(0\.0\.0\.0:(\d+)", told)
        assert found is not None
        await served(("127.0.0.1", int(found[1])))
        await gone(path)
        assert not sockets(tmp_path)
        assert (await stopped(proxy))[0] == 0


async def test_an_address_that_is_taken_changes_nothing(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        first, path = where(proxy.http[0]), f"{tmp_path}/http.sock"
        taken = upstream.url.removeprefix("http://")
        configured(tmp_path, upstream.url, f'["unix:{path}", "{taken}"]')
        await reloaded(proxy, "refused")
        assert not sockets(tmp_path)
        await served(first)
        configured(tmp_path, upstream.url, f'["127.0.0.1:0", "unix:{path}"]')
        await reloaded(proxy, "added")
        await served(path)


async def test_the_admin_listener_comes_moves_and_goes(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        first, path = where(proxy.admin), f"{tmp_path}/admin.sock"
        with_admin(tmp_path, upstream, "")
        await reloaded(proxy, "removed [admin]")
        with contextlib.suppress(ConnectionResetError):  # it was let in just before
            await gone(first)
        with_admin(tmp_path, upstream, f'[admin]\nlisten = "unix:{path}"')
        await reloaded(proxy, "added [admin]")
        assert (await ask(path, get("/readyz"))).status == 200
        assert b'"workers"' in (await ask(path, get("/api/state"))).body
        assert (await stopped(proxy))[0] == 0


async def test_workers_that_are_killed_in_the_middle_of_reloads_have_the_last_one(
    tmp_path: Path,
) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        pids = serving(await state(proxy))
        for number in range(6):
            path = f"{tmp_path}/{number}.sock"
            configured(tmp_path, upstream.url, f'["127.0.0.1:0", "unix:{path}"]')
            proxy.process.send_signal(signal.SIGHUP)
            os.kill(pids[number % 2], signal.SIGKILL)
            await proxy.line("reload (SIGHUP)")
            pids = await replaced(proxy, pids, number % 2)
        await served(path)
        await served(where(proxy.http[0]))
        assert sockets(tmp_path) == ["5.sock"]
        assert (await stopped(proxy))[0] == 0
