"""What is asked of a server about a stale stored reply, and what its 304 says (RFC 9111 4.3)."""

from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

LIFE = b"Cache-Control: max-age=60\r\n"
OLD = length(b"old", fields=b'Cache-Control: max-age=0\r\nETag: "old"\r\n')
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\n%b\r\n"


async def test_a_client_that_has_what_counts_now_is_told_so() -> None:
    new = UNCHANGED % (b'ETag: W/"new"\r\nX-New: 1\r\n' + LIFE)
    async with (
        RawUpstream([OLD], [new], [UNCHANGED % b'ETag: "old"\r\n']) as upstream,
        proxied(upstream, cache={}) as proxy,
    ):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b'If-None-Match: "a", "new"\r\nRange: bytes=0-0\r\n'))
        assert (answer.status, answer.body) == (304, b"")
        assert answer.value("ETag") == b'W/"new"'
        assert (answer.value("Cache-Status") or b"").startswith(
            b"sidecar-proxy; fwd=stale; fwd-status=304; detail="
        )
        assert upstream.requests[1].head.values("If-None-Match") == [b'"old", "a", "new"']
        # What is stored has not become what the client has.
        answer = await proxy.ask(get())
        assert (answer.status, answer.body, answer.value("X-New")) == (200, b"old", None)
        assert upstream.requests[2].head.values("If-None-Match") == [b'"old"']


async def test_a_304_that_names_nothing_is_asked_for_again_without_the_tags_of_the_client() -> None:
    async with (
        RawUpstream([OLD], [UNCHANGED % b""], [UNCHANGED % LIFE]) as upstream,
        proxied(upstream, cache={}) as proxy,
    ):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b'If-None-Match: "new"\r\n'))
        assert (answer.status, answer.body) == (200, b"old")
        asked = [each.head.values("If-None-Match") for each in upstream.requests[1:]]
        assert asked == [[b'"old", "new"'], [b'"old"']]
        assert b"; hit; ttl=" in ((await proxy.ask(get())).value("Cache-Status") or b"")
