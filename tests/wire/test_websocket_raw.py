"""What breaks RFC 6455, and handshakes: the proxy leaves the answer to the other end."""

from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.websocket import (
    Heard,
    alike,
    alike_from,
    client,
    echo,
    ending,
    listen,
    raw,
    sent,
    shake,
)

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
EURO = "κόσμε".encode()
BROKEN: list[tuple[str, list[tuple[int, bytes]], int]] = [
    ("lone-continuation", [(0x80, b"x")], 1002),
    ("lone-fragment", [(0x00, b"x")], 1002),
    ("text-in-fragments", [(0x01, b"x"), (TEXT, b"y")], 1002),
    ("rsv1", [(0xC1, b"x")], 1002),
    ("rsv2", [(0xA1, b"x")], 1002),
    ("rsv3", [(0x91, b"x")], 1002),
    ("rsv-all", [(0xF2, b"x")], 1002),
    ("rsv-ping", [(0xC9, b"")], 1002),
    *((f"opcode-{code}", [(0x80 | code, b"x")], 1002) for code in (3, 4, 5, 6, 7, 11, 12, 15)),
    ("long-ping", [(PING, bytes(126))], 1002),
    ("long-pong", [(PONG, bytes(126))], 1002),
    ("long-close", [(CLOSE, b"\x03\xe8" + bytes(124))], 1002),
    ("fragmented-ping", [(0x09, b"x"), (0x80, b"y")], 1002),
    ("after-good", [(TEXT, b"good"), (PING, b"p"), (0x83, b"x")], 1002),
    ("utf8-lone", [(TEXT, b"\x80")], 1007),
    ("utf8-surrogate", [(TEXT, b"\xed\xa0\x80")], 1007),
    ("utf8-too-high", [(TEXT, b"\xf4\x90\x80\x80")], 1007),
    ("utf8-overlong", [(TEXT, b"\xc0\xaf")], 1007),
    ("utf8-cut", [(TEXT, b"abc\xce")], 1007),
    ("utf8-cut-fragments", [(0x01, b"\xce"), (0x80, b"x")], 1007),
    ("utf8-reason", [(CLOSE, b"\x03\xe8\xff")], 1007),
    ("close-of-one-byte", [(CLOSE, b"\x03")], 1002),
    *(
        (f"close-{code}", [(CLOSE, code.to_bytes(2, "big"))], 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
]
GOOD: list[tuple[str, list[tuple[int, bytes]], bytes]] = [
    ("empty-close", [(CLOSE, b"")], b"\x88\x00"),
    ("ping-then-close", [(PING, b""), (CLOSE, b"")], b"\x8a\x00\x88\x00"),
    ("ping-125", [(PING, b"\xfe" * 125), (CLOSE, b"")], b"\x8a\x7d" + b"\xfe" * 125 + b"\x88\x00"),
    ("pong-unasked", [(PONG, b"x"), (CLOSE, b"")], b"\x88\x00"),
    ("after-close", [(CLOSE, b"\x03\xe8"), (TEXT, b"late"), (PING, b"")], b"\x88\x02\x03\xe8"),
    (
        "split-code-point",
        [(0x01, EURO[:3]), (PING, b"i"), (0x00, b""), (0x80, EURO[3:]), (CLOSE, b"")],
        b"\x8a\x01i\x88\x00",
    ),
    (
        "each-byte-a-fragment",
        [(0x01, b""), *((0, bytes([byte])) for byte in EURO), (0x80, b""), (CLOSE, b"")],
        b"\x88\x00",
    ),
]  # fmt: skip


def frames(which: list[tuple[int, bytes]], *, masked: bool = True) -> bytes:
    return b"".join(sent(payload, first=first, masked=masked) for first, payload in which)


@pytest.mark.parametrize(("which", "code"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
async def test_a_client_that_breaks_rules_is_told_by_the_server(
    which: list[tuple[int, bytes]], code: int
) -> None:
    seen = await alike(echo, lambda url: raw(url, frames(which)))
    data, end = seen.client
    assert end == "fin"
    at = data.rfind(b"\x88")
    assert data[at + 2 : at + 4] == code.to_bytes(2, "big")


async def test_a_client_that_does_not_mask_is_told_by_the_server() -> None:
    seen = await alike(echo, lambda url: raw(url, sent(b"x", masked=False)))
    assert seen.client[0][2:4] == (1002).to_bytes(2, "big")


@pytest.mark.parametrize(("which", "answer"), [c[1:] for c in GOOD], ids=[c[0] for c in GOOD])
async def test_unusual_frames_are_answered_as_they_are_directly(
    which: list[tuple[int, bytes]], answer: bytes
) -> None:
    seen = await alike(listen, lambda url: raw(url, frames(which)))
    assert seen.client == (answer, "fin")
    whole = any(payload in (EURO[:3], EURO[:1]) for _, payload in which)
    assert [each for each in seen.server if isinstance(each, str)] == [EURO.decode()] * whole


@pytest.mark.parametrize("length", [126, 127])
async def test_a_length_longer_than_it_need_be_passes(length: int) -> None:
    size = (3).to_bytes(2 if length == 126 else 8, "big")
    data = bytes([BINARY, 0x80 | length]) + size + bytes(4) + b"abc" + frames([(CLOSE, b"")])
    seen = await alike(listen, lambda url: raw(url, data))
    assert seen.client == (b"\x88\x00", "fin")
    assert seen.server[1] == b"abc"


async def test_frames_may_come_in_one_piece_with_the_handshake() -> None:
    which = [(TEXT, b"early"), (CLOSE, b"\x0f\xa0bye")]

    async def scenario(url: str) -> Any:
        async with client(url) as ws:
            try:
                return await ws.recv(), await ws.recv()
            except ConnectionClosed as closed:
                return ending(closed)

    seen = await alike_from(frames(which, masked=False), scenario)
    assert seen.client == ((4000, "bye"), (4000, "bye"), True)
    assert seen.server == [[(CLOSE, b"\x0f\xa0bye")]]


@pytest.mark.parametrize(("which", "code"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
async def test_a_server_that_breaks_rules_is_told_by_the_client(
    which: list[tuple[int, bytes]], code: int
) -> None:
    async def scenario(url: str) -> Any:
        saw = []
        async with client(url) as ws:
            try:
                while True:
                    saw.append(await ws.recv())
            except ConnectionClosed as closed:
                return [*saw, ending(closed)]

    seen = await alike_from(frames(which, masked=False), scenario)
    assert seen.client[-1][1][0] == code
    assert seen.server[0][-1][1][:2] == code.to_bytes(2, "big")


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("piece", [b"", b"\x82\x05ab"], ids=["between", "in-a-frame"])
async def test_a_server_that_goes_without_a_word_is_a_loss(end: str, piece: bytes) -> None:
    async def scenario(url: str) -> Any:
        async with client(url) as ws:
            try:
                await ws.send("x")
                await ws.recv()
            except ConnectionClosed as closed:
                return ending(closed), ws.close_code

    seen = await alike_from(piece, scenario, end=end)
    assert seen.client == ((None, None, None), 1006)


@pytest.mark.parametrize("offer", [["chat"], ["superchat", "chat"], ["chat", "x"]])
async def test_subprotocols_are_between_the_two_ends(offer: list[Any]) -> None:
    async def scenario(url: str) -> Any:
        async with client(url, subprotocols=offer, origin="https://a.test") as ws:
            assert ws.response is not None
            await ws.send("m")
            return ws.subprotocol, await ws.recv(), shake(ws.response.headers)

    options: Any = {"subprotocols": ["chat"], "origins": ["https://a.test"]}
    seen = await alike(echo, scenario, **options)
    assert seen.client == ("chat", "m", [("sec-websocket-protocol", "chat")])
    assert ("origin", "https://a.test") in seen.server[0]
    assert ("sec-websocket-protocol", ", ".join(offer)) in seen.server[0]


async def refused(url: str, **options: Any) -> Any:
    with pytest.raises(InvalidStatus) as caught:
        async with client(url, **options):
            pass
    response = caught.value.response
    kept = ("www-authenticate", "sec-websocket-version", "content-type", "x-why", "upgrade")
    fields = sorted((n.lower(), v) for n, v in response.headers.raw_items() if n.lower() in kept)
    return response.status_code, response.reason_phrase, response.body, fields


@pytest.mark.parametrize("subprotocols", [None, ["other"]])
async def test_a_subprotocol_that_is_not_spoken_is_refused(subprotocols: Any) -> None:
    def choose(_: ServerConnection, offered: Any) -> Any:
        from websockets.exceptions import NegotiationError  # noqa: PLC0415

        raise NegotiationError(f"none of {offered}")

    seen = await alike(
        listen,
        lambda url: refused(url, subprotocols=subprotocols),
        subprotocols=["chat"],
        select_subprotocol=choose,
    )
    assert seen.client[0] == 400
    assert seen.server == []


@pytest.mark.parametrize(
    ("status", "field"),
    [
        (HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", 'Basic realm="a"')),
        (HTTPStatus.FORBIDDEN, ("X-Why", "you")),
        (HTTPStatus.UPGRADE_REQUIRED, ("Sec-WebSocket-Version", "13")),
        (HTTPStatus.SERVICE_UNAVAILABLE, ("X-Why", "full")),
        (HTTPStatus.OK, ("X-Why", "no upgrade")),
    ],
)
async def test_a_refusal_is_what_the_client_sees(
    status: HTTPStatus, field: tuple[str, str]
) -> None:
    body = "because " * 3000

    async def refuse(ws: ServerConnection, _: Any) -> Any:
        response = ws.respond(status, body)
        response.headers[field[0]] = field[1]
        return response

    seen = await alike(listen, refused, process_request=refuse)
    assert (seen.client[0], seen.client[2]) == (status, body.encode())
    assert (field[0].lower(), field[1]) in seen.client[3]
    assert seen.server == []


async def test_credentials_and_cookies_of_a_handshake_arrive() -> None:
    async def handler(ws: ServerConnection, heard: Heard) -> None:
        await ws.close(1008, "seen")

    async def scenario(url: str) -> Any:
        told = {"Authorization": "Bearer x", "Cookie": "a=1; b=2", "User-Agent": "me/1"}
        told.pop("User-Agent")
        async with client(url, additional_headers=told, user_agent_header="me/1") as ws:
            await ws.wait_closed()
            return ws.close_code, ws.close_reason

    seen = await alike(handler, scenario)
    assert seen.client == (1008, "seen")
    assert ("cookie", "a=1; b=2") in seen.server[0]
    assert ("authorization", "Bearer x") in seen.server[0]
    assert ("user-agent", "me/1") in seen.server[0]
