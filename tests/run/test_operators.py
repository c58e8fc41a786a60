"""The listeners for operators."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from proxy.admin.options import AdminOptions
from proxy.admin.source import Local
from proxy.edge.options import ServerOptions
from proxy.run.operators import Operators
from proxy.run.reasons import CannotListen
from proxy.run.runner import set_up
from tests.support.client import ask
from tests.support.message import get
from tests.support.workers import where


async def test_both_listeners_show_one_source() -> None:
    wanted = asyncio.Event()
    options = AdminOptions(listen="127.0.0.1:0", probes="127.0.0.1:0", hosts=("proxy.test",))
    operators = Operators(options, ServerOptions())
    await operators.open(Local(wanted.is_set, lambda: (), {}))
    try:
        for address in (operators.address, operators.probes):
            wanted.clear()
            assert (await ask(where(address), get("/readyz"))).status == 503
            wanted.set()
            assert (await ask(where(address), get("/readyz"))).status == 200
        assert (await ask(where(operators.address), get("/api/state"))).status == 200
        assert (await ask(where(operators.probes), get("/api/state"))).status == 404
    finally:
        await operators.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(where(operators.address), get("/readyz"))


async def test_an_address_that_is_taken_is_said() -> None:
    first = Operators(AdminOptions(listen="127.0.0.1:0"), ServerOptions())
    await first.open(Local(lambda: True, lambda: (), {}))
    second = Operators(AdminOptions(listen=first.address), ServerOptions())
    try:
        with pytest.raises(CannotListen, match="is taken"):
            await second.open(Local(lambda: True, lambda: (), {}))
    finally:
        await second.close()
        await first.close()


async def test_an_application_that_fails_to_start_is_cleaned_up() -> None:
    cleaned: list[bool] = []

    async def first(_: web.Application) -> AsyncIterator[None]:
        yield
        cleaned.append(True)

    async def fail(_: web.Application) -> AsyncIterator[None]:
        if not cleaned:
            raise OSError("no such file")
        yield

    app = web.Application()
    app.cleanup_ctx.extend((first, fail))
    with pytest.raises(OSError, match="no such file"):
        await set_up(app)
    assert cleaned


async def test_unix_sockets_have_their_mode_back_where_others_are_not_to_be(tmp_path: Path) -> None:
    paths = tmp_path / "admin.sock", tmp_path / "probes.sock"
    listen, probes = (f"unix:{path}" for path in paths)
    options = AdminOptions(listen=listen, probes=probes)

    def modes() -> list[int]:
        return [stat.S_IMODE(path.stat().st_mode) for path in paths]

    operators = Operators(options, ServerOptions(unix_mode="0640"))
    await operators.open(Local(lambda: True, lambda: (), {}))
    try:
        desks = await operators.prepare(options, ServerOptions(unix_mode="0600"))
        assert modes() == [0o600] * 2
        await operators.abandon(desks)
        assert modes() == [0o640] * 2
        elsewhere = AdminOptions(listen=listen, probes=f"unix:{tmp_path}/none/probes.sock")
        for _ in range(2):
            with pytest.raises(CannotListen, match="no folder"):
                await operators.prepare(elsewhere, ServerOptions(unix_mode="0600"))
            assert modes() == [0o640] * 2
    finally:
        await operators.close()
