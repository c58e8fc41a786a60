"""A fixed reply is the answer wherever a request waits when its time is over."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from proxy.core.errors import ResponseTimeout
from proxy.core.exchange import Handler
from proxy.core.shared import Shared
from proxy.core.stored import Claim
from proxy.http.fields import RawHeaders
from proxy.run.chains import ROUTE, linked
from proxy.run.scopes import scope_of
from proxy.store.memory import MemoryStore
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply
from tests.support.pieces import body
from tests.support.proxy import parsed, toml

pytestmark = pytest.mark.usefixtures("nothing_left")

HANGS = (900, reply(200))
STALE = [(b"Cache-Control", b"max-age=1, stale-if-error=3")]


class HeldElsewhere:
    """Leases that another process has, of all there are."""

    shared = True
    answer_together = False

    async def take(self, name: bytes = b"") -> Claim:
        claim = Claim(0, name)
        claim.held_by = b"other"
        return claim

    async def holder(self, name: bytes) -> bytes:
        return b"other"


def route(folder: Path, script: Script, store: MemoryStore | None = None, **tables: Any) -> Handler:
    """The links of a route with a fixed reply, whose requests have two seconds."""
    page = folder / "sorry.html"
    page.write_bytes(b"<p>sorry")
    text = toml(
        {
            "timeouts": {"total": "2s"},
            "deadline": {},
            **tables,
            "upstreams": [{"name": "api", "servers": ["http://a"]}],
            "routes": [{"upstream": "api", "fallback": {"status": 503, "file": str(page)}}],
        }
    )
    shared = Shared(random.Random(1), clock=loop_clock())
    shared.store = store
    return linked(ROUTE, scope_of(parsed(text).routes[0], shared), script)


async def sorry(jumping: JumpingLoop, ask: Handler, fields: RawHeaders = ()) -> None:
    exchange = get(headers=fields)
    answer = await ask(exchange)
    assert jumping.time() - exchange.started_at == 2
    assert (answer.status, answer.buffered) == (503, b"<p>sorry")
    assert (exchange.error, exchange.record.outcome) == ("http_response_timeout", "timeout")
    assert isinstance(exchange.record.covered, ResponseTimeout)
    assert exchange.deadline is None


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("fields", [(), [(b"X-Request-Timeout-Ms", b"2000")]])
async def test_while_the_upstream_is_waited_for(
    jumping: JumpingLoop, tmp_path: Path, fields: RawHeaders, shared: bool
) -> None:
    tables: dict[str, Any] = {"coalesce": {}} if shared else {}
    ask = route(tmp_path, Script(HANGS), **tables)
    await sorry(jumping, ask, fields)


@pytest.mark.parametrize("age", [1.5, 2.5])
async def test_when_what_is_stored_has_become_too_old_meanwhile(
    jumping: JumpingLoop, tmp_path: Path, age: float
) -> None:
    script = Script(reply(200, STALE, b"old"), HANGS)
    ask = route(tmp_path, script, MemoryStore(1 << 20, loop_clock()), cache={})
    assert await body(await ask(get())) == b"old"
    await asyncio.sleep(age)
    if age + 2 < 4:
        assert await body(await ask(get())) == b"old"
    else:
        await sorry(jumping, ask)


async def test_while_another_process_asks(jumping: JumpingLoop, tmp_path: Path) -> None:
    store = MemoryStore(1 << 20)
    store.claims = HeldElsewhere()  # type: ignore[assignment]  # a stand-in
    await sorry(jumping, route(tmp_path, Script(), store, cache={}))
