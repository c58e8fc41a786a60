"""A reply whose framing breaks is a 502 or a visible cut: never a hang, never a clean end.

Every boundary of every framing of a reply is tried: cut into segments at every byte, ended at every
byte, and with a wrong byte at every place (RFC 9112 6.3, 7.1, 8).
"""

from typing import Any, Final

import pytest

from proxy.core.errors import ProtocolViolation, ReplyHeadTooLarge
from tests.support.message import CHUNKED_HEAD, get
from tests.support.outcome import connected, outcome
from tests.support.proxy import dialled, fronted

HEAD: Final = b"HTTP/1.1 200 OK\r\n"
REPLIES: Final = {
    "length": HEAD + b"Content-Length: 5\r\nX-A: b\r\n\r\nhello",
    "chunked": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1A\r\n"
    + b"x" * 26
    + b"\r\n0\r\n\r\n",
    "chunked with everything": HEAD
    + b'transfer-encoding: chunked \r\n\r\n05 ;a="b;c";d\r\nhello\r\n00;e\r\nX-T: 1\r\nY:\r\n\r\n',
    "to the end": HEAD + b"Connection: close\r\n\r\nhello",
    "after interim replies": b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nX-A: b\r\n\r\n"
    + HEAD
    + b"Content-Length: 2\r\n\r\nok",
    "without a body": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
}
WRONG: Final = (b"\0", b"\n", b"\r", b"z", b" ", b"\x7f", b":")


@pytest.mark.parametrize("data", REPLIES.values(), ids=REPLIES)
async def test_segments_make_no_difference(data: bytes) -> None:
    whole = outcome(data, ends=True)
    assert whole.kind == "whole"
    for cut in range(1, len(data)):
        assert outcome(data[:cut], data[cut:], ends=True) == whole
    assert outcome(*[data[i : i + 1] for i in range(len(data))], ends=True) == whole


@pytest.mark.parametrize("data", REPLIES.values(), ids=REPLIES)
async def test_what_ends_early_is_never_whole(data: bytes) -> None:
    whole = outcome(data, ends=True)
    to_its_end = outcome(data, ends=False).kind == "waiting"
    head = data.index(b"\r\n\r\n") + 4
    for cut in range(1, len(data)):
        found = outcome(data[:cut], ends=True)
        if to_its_end and cut >= head:  # nothing tells this from the whole
            assert found.kind == "whole"
        else:
            assert found.kind in ("cut", "refused"), data[:cut]
            assert whole.body.startswith(found.body)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("data", REPLIES.values(), ids=REPLIES)
async def test_a_wrong_byte_is_the_same_wherever_the_segments_end(
    data: bytes, wrong: bytes
) -> None:
    for place in range(len(data)):
        bad = data[:place] + wrong + data[place + 1 :]
        at_once = outcome(bad, ends=True)
        assert at_once.kind != "waiting"
        for cut in (place, place + 1):
            assert outcome(bad[:cut], bad[cut:], ends=True) == at_once, (place, cut)
        assert outcome(*[bad[i : i + 1] for i in range(len(bad))], ends=True) == at_once, place


CHUNKS: Final = b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
BREAKS: Final = [
    # (what was right, what comes behind it in the next segment)
    (b"", b"zz\r\n"),
    (b"", b"\r\n"),
    (b"", b"-5\r\nhello\r\n"),
    (b"", b"0x5\r\nhello\r\n"),
    (b"", b"+5\r\nhello\r\n"),
    (b"", b";a\r\nhello\r\n"),
    (b"", b"5\nhello\r\n"),
    (b"", b"5\rhello"),
    (b"", b"5;a\nb\r\nhello\r\n"),
    (b"", b"5;a\rb\r\n"),
    (b"", b"5;a\0\r\n"),
    (b"", b"5 5\r\nhello\r\n"),
    (b"", b"11111111111111111"),
    (b"5", b"z"),
    (b"5\r", b"h"),
    (b"5\r\nhello", b"\r\nzz\r\n"),
    (b"5\r\nhello", b"X"),
    (b"5\r\nhello", b"\n5\r\n"),
    (b"5\r\nhello\r", b"5\r\n"),
    (b"5\r\nhello\r\n", b"\r\n"),
    (b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\n"),
    (b"5\r\nhello\r\n0", b"z"),
    (b"5\r\nhello\r\n0\r\n", b" folded: 1\r\n"),
    (b"5\r\nhello\r\n0\r\n", b"no colon\r\n"),
    (b"5\r\nhello\r\n0\r\n", b"X Y: 1\r\n"),
    (b"5\r\nhello\r\n0\r\n", b": 1\r\n"),
    (b"5\r\nhello\r\n0\r\n", b"X: a\0"),
    (b"5\r\nhello\r\n0\r\n", b"X: a\n\r\n"),
    (b"5\r\nhello\r\n0\r\n", b"\n"),
    (b"5\r\nhello\r\n0\r\nX: 1\r\n\r", b"X"),
]


@pytest.mark.parametrize(("right", "wrong"), BREAKS)
async def test_chunks_that_break_are_cut_at_once(right: bytes, wrong: bytes) -> None:
    """No clock is asked: what cannot become right is wrong, though the server stays."""
    for segments in ([right, wrong], [right + wrong], [right, wrong[:1], wrong[1:]]):
        found = outcome(CHUNKED_HEAD, *[s for s in segments if s], ends=False)
        assert found.kind == "cut", segments
        assert b"hello".startswith(found.body)


@pytest.mark.parametrize(("right", "wrong"), BREAKS[::3])
async def test_the_client_sees_the_cut(right: bytes, wrong: bytes) -> None:
    script = [CHUNKED_HEAD + right, 0.02, wrong, "hold"]
    async with fronted(script, retry={"attempts": 1}) as (_, proxy):
        response = await proxy.ask(get(), patience=30)
        assert (response.status, response.ended) == (200, "fin-short")
        assert (await proxy.record()).error == "http_response_incomplete"


BAD_HEADS: Final = [
    b"SSH-2.0",
    b"\r\nHTTP/1.1 200 OK\r\n",
    b" HTTP/1.1 200 OK\r\n",
    b"http/1.1 200 OK\r\n",
    b"HTTP/2.0 200 OK\r\n",
    b"HTTP/1.1  200 OK\r\n",
    b"HTTP/1.1\t200 OK\r\n",
    b"HTTP/1.10 200 OK\r\n",
    b"HTTP/1.1 20 OK\r\n",
    b"HTTP/1.1 099 OK\r\n",
    b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/1.1 200 a\0b\r\n",
    b"HTTP/1.1 200 a\rb\r\n",
    b"ICY 200 OK\r\n",
    HEAD + b"  \r\nContent-Length: 5\r\n",
    HEAD + b"\t\r\n",
    HEAD + b" X-A: b\r\n",
    HEAD + b"X-A: b\r\n \t \r\nContent-Length: 5\r\n",
    HEAD + b"X-A : b\r\n",
    HEAD + b"X A: b\r\n",
    HEAD + b": b\r\n",
    HEAD + b"no colon\r\n",
    HEAD + b"X-A: a\rb\r\n",
    HEAD + b"X-A: a\x0bb\r\n",
    HEAD + b"X-A: a\0",
    HEAD + b"X-\xe9: a",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    HEAD + b"Content-Length: 5, 6\r\n\r\n",
    HEAD + b"Content-Length: 5,\r\n\r\n",
    HEAD + b"Content-Length: \r\n\r\n",
    HEAD + b"Content-Length: +5\r\n\r\n",
    HEAD + b"Content-Length: 0x5\r\n\r\n",
    HEAD + b"Content-Length: 5 5\r\n\r\n",
    HEAD + b"Content-Length: %b\r\n\r\n" % (b"9" * 19),
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n",
    HEAD + b"Transfer-Encoding: xchunked\r\n\r\n",
    HEAD + b"Transfer-Encoding:\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked;q=1\r\n\r\n",
]


@pytest.mark.parametrize("head", BAD_HEADS)
async def test_a_bad_head_is_refused_at_once(head: bytes) -> None:
    for cut in range(1, len(head)):
        assert outcome(head[:cut], head[cut:], ends=False).kind == "refused", cut
    protocol, _ = connected()
    protocol.data_received(head)
    assert isinstance(protocol.exception(), ProtocolViolation)


async def test_a_head_that_never_ends_is_refused() -> None:
    protocol, wire = connected()
    protocol.data_received(HEAD)
    for _ in range(10_000):
        if wire.over:
            break
        protocol.data_received(b"X-A: b\r\n")
    assert isinstance(protocol.exception(), ReplyHeadTooLarge)


UNUSUAL: Final[list[tuple[bytes, Any]]] = [
    (b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (HEAD + b"Content-Length: 2, 2\r\n\r\nok", b"ok"),
    (HEAD + b"Content-Length:\t 02 \r\n\r\nok", b"ok"),
    (HEAD + b"Transfer-Encoding: chunked \t\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    (HEAD + b"Transfer-Encoding: , Chunked ,\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2 ;a=b\r\nok\r\n0\t;c\r\n\r\n", b"ok"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n", b"ok"),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok"),
    (HEAD + b"X-A: a\r\n  b\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 102 P\r\nConnection: close\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.0 100 C\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok", b"ok"),
]


@pytest.mark.parametrize(("data", "body"), UNUSUAL)
async def test_what_is_only_unusual_is_read(data: bytes, body: bytes) -> None:
    for cut in range(1, len(data)):
        assert outcome(data[:cut], data[cut:], ends=False) == ("whole", 200, body), cut
    async with fronted([data]) as (_, proxy):
        response = await proxy.ask(get())
        assert (response.status, response.body, response.ended) == (200, body, "complete")


@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE"])
async def test_a_426_keeps_what_it_asks_for(name: bytes) -> None:
    """RFC 9110 15.5.22: it has to say which protocol is required."""
    data = b"HTTP/1.1 426 Upgrade Required\r\n%b: websocket\r\nConnection: Upgrade\r\n" % name
    async with dialled(
        [data + b"Sec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno"],
    ) as (_, _, client):
        for _ in range(2):
            response = await client.ask(get())
            assert (response.status, response.body) == (426, b"no")
            assert name + b": websocket" in response.lines
            assert b"Upgrade" in response.values("Connection")
            assert response.value("Sec-WebSocket-Version") == b"13"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "sent twice"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", "different values: 5, 6"),
        (b"Transfer-Encoding: gzip\r\n", "only chunked is understood"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "may set only one of them"),
        (b"Content-Length: five\r\n", "no number of bytes"),
        (b"X-A : b\r\n", 'field name \\"X-A \\"'),
    ],
)
async def test_details_say_what_is_wrong_with_the_framing(head: bytes, words: str) -> None:
    async with fronted([HEAD + head + b"\r\n"], errors={"details": True}) as (_, proxy):
        response = await proxy.ask(get())
        assert response.status == 502
        assert words in response.body.decode()
