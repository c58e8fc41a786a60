"""Without Via, an upstream that treats proxies apart compresses again; loops are still found.

nginx leaves gzip out for whoever has a Via (``gzip_proxied off`` is its default).
"""

import pytest

from tests.support.message import get
from tests.support.proxy import fronted, proxied
from tests.support.upstream import closed_port

LONG = 30.0
OFF = {"via": False}


@pytest.mark.parametrize(
    "theirs", [b"", b"Via: 1.1 front\r\n", b"vIa: 1.0 a, 1.1 b\r\nVia: 1.1 c\r\n"]
)
async def test_no_via_goes_upstream(theirs: bytes) -> None:
    async with fronted(server=OFF) as (upstream, proxy):
        for _ in range(3):
            answer = await proxy.ask(get(fields=theirs), patience=LONG)
            assert answer.value("Via") is not None  # the client is told
        for request in upstream.requests:
            assert request.head.values("Via") == []
            mark = request.head.value("X-Sidecar-Proxy")
            assert mark is not None
            assert len(mark) == 8


async def test_with_via_there_is_no_mark() -> None:
    async with fronted() as (upstream, proxy):
        await proxy.ask(get(), patience=LONG)
        assert upstream.requests[0].head.values("X-Sidecar-Proxy") == []
        assert upstream.requests[0].head.values("Via") != []


@pytest.mark.parametrize("through", [1, 2])
@pytest.mark.parametrize("connection", [b"", b"Connection: X-Sidecar-Proxy\r\n"])
async def test_a_loop_is_found_by_the_mark(through: int, connection: bytes) -> None:
    port = closed_port()
    own = {"listen": f"127.0.0.1:{port}", **OFF}
    if through == 1:
        async with proxied(f"http://127.0.0.1:{port}", server=own) as proxy:
            assert (await proxy.ask(get(fields=connection), patience=LONG)).status == 508
        return
    async with (
        proxied(f"http://127.0.0.1:{port}", server=OFF) as far,
        proxied(f"http://{far.runtime.http[0]}", server=own) as proxy,
    ):
        assert (await proxy.ask(get(fields=connection), patience=LONG)).status == 508
        assert len(far.records) == 1


async def test_one_sidecar_may_stand_behind_another() -> None:
    async with (
        fronted(server=OFF) as (upstream, far),
        proxied(f"http://{far.runtime.http[0]}", server=OFF) as near,
    ):
        assert (await near.ask(get(), patience=LONG)).body == b"ok"
        [marks] = upstream.requests[0].head.values("X-Sidecar-Proxy")
        assert len(marks.split(b", ")) == 2
