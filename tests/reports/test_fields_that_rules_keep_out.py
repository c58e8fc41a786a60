"""What a route's rules keep out of a message comes neither before it nor behind it.

An operator removes fields that tell of what is behind the proxy. Informational replies and trailers
are fields of the same message that other proxies pass on beside their rules (RFC 9110 6.5, 15.2).
"""

from typing import Any

import pytest

from tests.support.message import CHUNKED_HEAD, chunked, get
from tests.support.proxy import fronted
from tests.support.upstream import HEALTHY

TAKES = b"TE: trailers\r\nConnection: TE\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nX-Secret: 1\r\nLink: </a>\r\nx-set: theirs\r\n\r\n"
HEAD = CHUNKED_HEAD.replace(
    b"\r\n\r\n", b"\r\nTrailer: X-Secret, x-sum, X-Set\r\nX-Secret: 2\r\n\r\n"
)
BODY = chunked(b"hello", end=b"0\r\nX-Secret: 3\r\nX-Sum: 1\r\nX-SET: theirs\r\n\r\n")
RULES = {"remove": ["x-secret"], "set": {"X-Set": "ours"}, "add": {"X-Added": "1"}}
UPLOAD = (
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    b"Trailer: X_Secret, X-Sum, X-Set\r\nTrailer: X-Key\r\n\r\n"
    b"1\r\na\r\n0\r\nX-Secret: 1\r\nX-Sum: 1\r\nX-Key: theirs\r\n\r\n"
)


@pytest.mark.parametrize("tables", [{}, {"coalesce": {}}], ids=["alone", "shared"])
async def test_a_reply_says_it_neither_before_nor_behind_its_body(tables: dict[str, Any]) -> None:
    routes = [{"upstream": "api", "response_headers": RULES}]
    async with fronted([HINTS + HEAD + BODY], routes=routes, **tables) as (_, proxy):
        answer = await proxy.ask(get(fields=TAKES))
        assert [hints.lines for hints in answer.interim] == [[b"Link: </a>"]]
        assert answer.values("Trailer") == [b"x-sum"]
        assert (answer.values("X-Set"), answer.values("X-Secret")) == ([b"ours"], [])
        assert answer.chunks.trailers == [b"X-Sum: 1"]


async def test_a_request_announces_no_trailer_that_is_left_out() -> None:
    key = {"credentials": {"header": "X-Key", "value": "value-of-the-key"}}
    routes = [{"upstream": "api", "request_headers": RULES}]
    async with fronted(HEALTHY, routes=routes, upstream_options=key) as (upstream, proxy):
        assert (await proxy.ask(UPLOAD)).status == 200
        [request] = upstream.requests
        assert request.head.values("Trailer") == [b"X-Sum"]
        assert request.chunks.trailers == [b"X-Sum: 1"]
