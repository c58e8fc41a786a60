"""A dot segment in disguise never leads out of what a route allows.

``GET /api/;/../admin`` with strip_prefix and add_prefix arrived as ``/v1/;/../admin``, which a
server that cuts a segment at its semicolon, and merges empty segments, takes for ``/admin``.
"""

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http.grammar import Malformed
from proxy.http.target import normal_path
from proxy.middleware.rewrite.paths import PathRewriter
from tests.support.proxy import fronted

ROUTES = [{"path": "/api", "strip_prefix": "/api", "add_prefix": "/v1", "upstream": "api"}]


@pytest.mark.parametrize(
    "path",
    [
        "/;/../admin",
        "/;x=1/../admin",
        "/a/;/b/../../admin",
        "/%3B/../admin",
        "/%3bx/../admin",
        "/..;/admin",
        "/..;x/admin",
        "/.;/..;/admin",
        "/%2e%2e;/admin",
        "/%2E.%3B/admin",
        "/..%3b/admin",
        "//../admin",
        "/a//../../admin",
        "/%2f/../admin",
        "/a%2f/../admin",
        "/..%2fadmin",
        "/%2f../admin",
        "/a%2f..%2f..%2fadmin",
        "/;%2f../admin",
        "/..%5cadmin",
        "/..\\admin",
        "/\\../admin",
        "/a%5c/../admin",
        "/../../admin",
        "/%2e%2e/%2e%2e/admin",
        "/.%2e/.%2E/admin",
        "/%c0%ae%c0%ae/admin",
        "/..%c0%afadmin",
        "/%e0%80%ae%e0%80%ae/admin",
        "/..%c1%9cadmin",
        "/%u002e%u002e/admin",
        "/..%u2215admin/../../../x",
        "/%00/../admin",
        "/..%00/admin",
    ],
)
async def test_a_disguised_dot_segment_is_refused(path: str) -> None:
    async with fronted(routes=ROUTES) as (upstream, proxy):
        data = b"GET /api%b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode()
        assert (await proxy.ask(data)).status in (400, 404)  # some end above the route
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a/../b", "/v1/a/../b"),
        ("/a;x/../b", "/v1/a;x/../b"),
        ("/a;x=1,2/b", "/v1/a;x=1,2/b"),
        ("/;x/b", "/v1/;x/b"),
        ("/a//b", "/v1/a//b"),
        ("/a%2Fb", "/v1/a%2Fb"),
        ("/a..b/..c/...", "/v1/a..b/..c/..."),
        ("/a?x=/;/../", "/v1/a?x=/;/../"),
        ("/a%3Bb", "/v1/a%3Bb"),
    ],
)
async def test_what_every_server_reads_alike_goes_through(path: str, sent: str) -> None:
    async with fronted(routes=ROUTES) as (upstream, proxy):
        data = b"GET /api%b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode()
        assert (await proxy.ask(data)).status == 200
        assert upstream.requests[0].line == b"GET %b HTTP/1.1" % sent.encode()


def read(path: str, *, cut: bool, decode: str, merge: bool) -> list[str] | None:
    """The segments of a path as one kind of server sees them; None where it climbs too far."""
    path = re.sub("%2e", ".", path, flags=re.IGNORECASE)
    if cut:
        path = re.sub(";[^/]*", "", path)
    for escape, plain in (("%3b", ";"), ("%2f", "/"), ("%5c", "/"), ("\\\\", "/")):
        if plain in decode:
            path = re.sub(escape, plain, path, flags=re.IGNORECASE)
    if cut:
        path = re.sub(";[^/]*", "", path)
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            if not segments:
                return None
            segments.pop()
        elif segment != "." and (segment or not merge):
            segments.append(segment)
    return segments


SERVERS = [
    {"cut": cut, "decode": decode, "merge": merge}
    for cut, decode, merge in itertools.product((False, True), ("", ";", "/", ";/"), (False, True))
]


@given(
    st.lists(
        st.sampled_from(
            ["/", "/", "..", ".", ";", "x", "%2e", "%2F", "%5c", "\\", "%3B", "=", "/..", "/;"]
        ),
        max_size=10,
    ).map("".join)
)
@example("/;/..")
@example("/x/;/../..")
def test_no_server_sees_anything_outside_of_the_prefix(rest: str) -> None:
    target = f"/api/{rest}/admin".encode()
    try:
        path = normal_path(target)
        sent = PathRewriter("/api", "/v1").apply(target, path).decode()
    except Malformed:
        return
    if not path.startswith("/api/"):  # not on this route
        return
    for server in SERVERS:
        segments = read(sent, **server)  # type: ignore[arg-type]
        assert segments is not None, (sent, server)
        assert next(filter(None, segments)) == "v1", (sent, server)
