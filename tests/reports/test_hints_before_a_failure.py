"""An interim reply is no answer: what fails behind it is answered as ever.

Reported for gateways that took 100, 102 or 103 for the beginning of the reply, and then could
only cut the client (envoyproxy/envoy#12131). A client may give up after a few of them (Go's
net/http after five: golang/go#26161), so several attempts tell it no more than one would.
"""

from typing import Any

import pytest

from tests.support.message import get, length
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY

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
    async with dialled([INTERIM[code], *script], HEALTHY, **ONCE) as (_, _, client):
        response = await client.ask(get())
        assert (response.status, response.ended) == (status, "complete")
        # Nobody has asked for a 100, so nobody is told.
        assert len(response.interim) == (code != 100)
        assert (await client.ask(get())).status == 200


async def test_a_client_that_was_told_to_go_on_learns_that_it_took_too_long() -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with dialled([INTERIM[100], "hold"], **ONCE) as (_, _, client):
        await client.send(request)
        assert b" 100 " in await client.read_until(b"\r\n\r\n")
        await client.send(b"abc")
        assert (await client.receive()).status == 504


FAILURES: dict[str, Any] = {"503": length(b"busy", b"503 Service Unavailable"), "closed": "fin"}


def hints(*names: str) -> list[bytes]:
    return [b"HTTP/1.1 103 Early Hints\r\nLink: </%b>\r\n\r\n" % name.encode() for name in names]


MANY = hints(*"abcdefg")
PROCESSING = INTERIM[102]
SEVERAL: dict[str, tuple[list[list[bytes]], list[bytes]]] = {
    # what the attempts say before their answers, and what the client is told of it
    "the same from each": ([hints("a", "b")] * 3, hints("a", "b")),
    "the same twice from one": ([hints("a", "a")] * 2, hints("a", "a")),
    "other ones": ([hints("a"), hints("b", "a"), hints("c", "b")], hints("a", "b", "c")),
    "first from a later one": ([[], MANY, MANY], MANY),
    "too many others": ([hints("a"), hints("b", "c", "d", "e")], hints("a", "b", "c", "d")),
    "as many as one likes from the first": ([MANY, hints("x")], MANY),
    "that work goes on": ([[PROCESSING], [PROCESSING], [PROCESSING]], [PROCESSING] * 3),
    "that work goes on and on": ([[PROCESSING], [PROCESSING] * 9], [PROCESSING] * 4),
}


@pytest.mark.parametrize("said", SEVERAL)
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_client_is_told_what_is_new_of_later_attempts(failure: str, said: str) -> None:
    attempts, told = SEVERAL[said]
    scripts: list[list[Any]] = [["wait-body", *heads, FAILURES[failure]] for heads in attempts]
    scripts[-1][-1] = length(b"ok")
    options = {"attempts": len(attempts), "backoff_base": "1ms"}
    async with fronted(*scripts, retry=options) as (upstream, proxy):
        response = await proxy.ask(get())
        assert (response.status, response.body) == (200, b"ok")
        assert len(upstream.requests) == len(attempts)
    assert [head.raw for head in response.interim] == told
