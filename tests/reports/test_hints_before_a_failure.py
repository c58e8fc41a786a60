"""An interim reply is no answer: what fails behind it is answered as ever.

Reported for gateways that took 100, 102 or 103 for the beginning of the reply, and then could
only cut the client (envoyproxy/envoy#12131).
"""

from typing import Any

import pytest

from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import HEALTHY, RawUpstream

INTERIM = {
    100: b"HTTP/1.1 100 Continue\r\n\r\n",
    102: b"HTTP/1.1 102 Processing\r\n\r\n",
    103: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
}
FAULTS: dict[str, tuple[list[Any], int]] = {
    "nothing more": (["hold"], 504),
    "closed": (["fin"], 502),
    "reset": (["rst"], 502),
    "garbage": ([b"SSH-2.0\r\n\r\n"], 502),
    "half a head": ([b"HTTP/1.1 200 OK\r\nX:", "fin"], 502),
}
ONCE: dict[str, Any] = {"retry": {"attempts": 1}, "timeouts": {"first_byte": "1s"}}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("code", INTERIM)
async def test_what_fails_behind_it_is_answered(code: int, fault: str) -> None:
    script, status = FAULTS[fault]
    async with (
        RawUpstream([INTERIM[code], *script], HEALTHY) as upstream,
        proxied(upstream, **ONCE) as proxy,
        await proxy.connect() as client,
    ):
        response = await client.ask(get())
        assert (response.status, response.ended) == (status, "complete")
        # Nobody has asked for a 100, so nobody is told.
        assert len(response.interim) == (code != 100)
        assert (await client.ask(get())).status == 200


async def test_a_client_that_was_told_to_go_on_learns_that_it_took_too_long() -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with (
        RawUpstream([INTERIM[100], "hold"]) as upstream,
        proxied(upstream, **ONCE) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(request)
        assert b" 100 " in await client.read_until(b"\r\n\r\n")
        await client.send(b"abc")
        assert (await client.receive()).status == 504
