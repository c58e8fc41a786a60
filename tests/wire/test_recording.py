"""``sidecar-proxy record`` and ``replay``: real processes, raw clients and upstreams."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.client import Response
from tests.support.message import get, length, post
from tests.support.process import Process, started
from tests.support.proxy import fronted
from tests.support.upstream import RawUpstream, Script

KEY = b"sk-1234567890abcdef"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextlib.asynccontextmanager
async def recording(upstream: RawUpstream, folder: Path, *more: str) -> AsyncIterator[Process]:
    words = ("--upstream", upstream.url, "--to", str(folder), "--listen", "127.0.0.1:0", *more)
    async with started("record", *words) as process:
        await process.ready()
        yield process
        assert await process.stopped() == 0


@contextlib.asynccontextmanager
async def replaying(folder: Path, *more: str) -> AsyncIterator[Process]:
    async with started("replay", str(folder), "--listen", "127.0.0.1:0", *more) as process:
        await process.ready()
        yield process
        assert await process.stopped() == 0


async def ask(process: Process, request: bytes) -> Response:
    async with await process.client() as client:
        await client.send(request)
        return await client.receive()


def all_of(folder: Path) -> bytes:
    return b"".join(path.name.encode() + path.read_bytes() for path in folder.iterdir())


def edit(folder: Path, name: str, before: str, after: str) -> None:
    [file] = folder.glob(f"GET-{name}-*.toml")
    file.write_text(file.read_text().replace(before, after))


def lines(response: Response) -> list[bytes]:
    """The fields that the API has sent."""
    own = (b"via:", b"x-request-id:", b"connection:")
    return [line for line in response.lines if not line.lower().startswith(own)]


REPLIES: list[bytes] = [
    b'HTTP/1.1 200 Fine\r\nX-Odd: \xff\xe9 "q"\r\nx-odd: 2\r\nDate: now\r\n'
    b"Content-Length: 6\r\n\r\na\r\nb\x00\xff",
    b"HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nDate: now\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nDate: now\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    b"3\r\none\r\n0\r\nX-Sum: 3\r\n\r\n",
]


async def test_replies_come_back_to_the_byte(tmp_path: Path) -> None:
    asked = [
        get(f"/{number}", b"TE: trailers\r\nConnection: TE\r\n") for number in range(len(REPLIES))
    ]
    scripts: list[Script] = [["wait-body", reply] for reply in REPLIES]
    async with (
        RawUpstream(*scripts) as upstream,
        recording(upstream, tmp_path, "--set", "retry=false") as process,
    ):
        recorded = [await ask(process, request) for request in asked]
    async with replaying(tmp_path) as process:
        replayed = [await ask(process, request) for request in asked]
    for first, second in zip(recorded, replayed, strict=True):
        assert second.head.first == first.head.first
        assert lines(second) == lines(first)
        assert second.body == first.body
        assert second.framing == first.framing
        assert second.chunks.trailers == first.chunks.trailers
    assert replayed[0].body == b"a\r\nb\x00\xff"
    assert replayed[5].chunks.trailers == [b"X-Sum: 3"]


async def test_a_stream_comes_back_piece_by_piece(tmp_path: Path) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    pieces = [b"data: %d\n\n" % number for number in range(3)]
    chunks: list[object] = []
    for gate, piece in zip(gates, pieces, strict=True):
        chunks += [gate, b"%x\r\n%b\r\n" % (len(piece), piece)]
    script: Script = ["wait-body", EVENTS, *chunks, b"0\r\n\r\n"]
    async with (
        RawUpstream(script) as upstream,
        recording(upstream, tmp_path) as process,
        await process.client() as client,
    ):
        await client.send(get("/events"))
        for gate, piece in zip(gates, pieces, strict=True):
            gate.set()
            await client.read_until(piece)
        await client.read_until(b"0\r\n\r\n")
    for more in ((), ("--paced",)):
        async with replaying(tmp_path, *more) as process:
            response = await ask(process, get("/events"))
            assert response.chunks.sizes[:3] == [len(piece) for piece in pieces]
            assert response.body == b"".join(pieces)
            assert response.ended in ("complete", "open")


async def test_a_stream_that_its_client_left_stays_open(tmp_path: Path) -> None:
    script: Script = ["wait-body", EVENTS, b"9\r\ndata: 1\n\n\r\n", asyncio.Event()]
    async with (
        RawUpstream(script) as upstream,
        recording(upstream, tmp_path) as process,
        await process.client() as client,
    ):
        await client.send(get("/events"))
        await client.read_until(b"data: 1\n\n")
        client.close()
        await process.line("the client left")
    async with replaying(tmp_path) as process, await process.client() as client:
        await client.send(get("/events"))
        await client.read_until(b"data: 1\n\n\r\n")
        assert not await client.read(0.2)
        assert not client.end
        client.close()


async def test_the_same_request_is_answered_in_order_and_the_last_answer_repeats(
    tmp_path: Path,
) -> None:
    scripts = [["wait-body", length(b"%d" % number)] for number in range(3)]
    async with RawUpstream(*scripts) as upstream, recording(upstream, tmp_path) as process:
        for _ in range(3):
            await ask(process, get("/job"))
    async with replaying(tmp_path) as process:
        bodies = [(await ask(process, get("/job"))).body for _ in range(5)]
    assert bodies == [b"0", b"1", b"2", b"2", b"2"]


def asking(target: str, body: bytes, secret: bytes, cookie: bytes) -> bytes:
    fields = b"Authorization: Bearer %b\r\nCookie: sid=%b\r\n" % (secret, cookie)
    return post(body, target, fields + b"Content-Type: application/json\r\n")


async def test_no_secret_is_written_or_needed(tmp_path: Path) -> None:
    session = b"0123456789abcdef0123"
    body = b'{"password": "%b", "q": "x"}' % KEY
    reply = b'{"access_token": "%b", "echo": "Bearer %b and configured-secret"}' % (session, KEY)
    answer = length(
        reply, b"200 OK", b"Set-Cookie: sid=%b; Path=/\r\nX-Echo: %b\r\n" % (session, KEY)
    )
    credentials = 'upstreams[0].credentials={header = "X-Api-Key", value = "configured-secret"}'
    target = f"/login?api_key={KEY.decode()}"
    asked = asking(target, body, KEY, session)
    async with (
        RawUpstream(["wait-body", answer]) as upstream,
        recording(upstream, tmp_path, "--set", credentials) as process,
    ):
        response = await ask(process, asked)
        assert response.body == reply  # the client has it all
        assert b"X-Api-Key: configured-secret" in upstream.requests[0].head.lines
    written = all_of(tmp_path)
    for secret in (KEY, session, b"configured-secret"):
        assert secret not in written
    async with replaying(tmp_path) as process:
        other = asking("/login?api_key=x", b'{"q": "x", "password": "other"}', b"no", b"none")
        response = await ask(process, other)
    assert response.status == 200
    assert len(response.body) == len(reply)
    assert json.loads(response.body)["access_token"] == "*" * len(session)
    assert response.value("Set-Cookie") == b"sid=***; Path=/"


async def test_a_request_that_was_not_recorded_is_told_to_client_and_terminal(
    tmp_path: Path,
) -> None:
    async with (
        RawUpstream(["wait-body", length(b"ok")]) as upstream,
        recording(upstream, tmp_path) as process,
    ):
        await ask(process, get("/v1/items?page=1"))
    async with replaying(tmp_path) as process:
        response = await ask(process, get("/v1/items?page=2"))
        said = await process.line("is not in the recording")
    assert response.status == 502
    status = response.value("Proxy-Status")
    assert status is not None
    assert status.startswith(b"sidecar-proxy; error=destination_not_found")
    detail = json.loads(response.body)["detail"]
    assert detail.startswith(
        "GET /v1/items?page=2 is not in the recording; the nearest there is GET /v1/items?page=1"
    )
    assert json.loads(said)["message"] == detail


async def test_a_recording_that_is_damaged_is_refused(tmp_path: Path) -> None:
    async with started("replay", str(tmp_path)) as process:
        assert (await process.ended())[0] == 2
    (tmp_path / "recording.toml").write_text("format = 1\n")
    (tmp_path / "a.toml").write_text("[request]\n")
    async with started("replay", str(tmp_path)) as process:
        said = await process.said()
        assert (await process.ended())[0] == 2
    assert said == [f"{tmp_path}/a.toml: there is no table [reply]"]


async def test_nothing_is_recorded_without_the_command() -> None:
    async with fronted(["wait-body", length(b"ok")]) as (_, proxy):
        assert proxy.tree.shared.recording_mode is None
        assert (await proxy.ask(get())).body == b"ok"


async def test_targets_count_as_they_were_sent(tmp_path: Path) -> None:
    bodies = {"/a%2Fb//c;d?": b"1", "/x?y=%41&&z": b"2", "/a;b=c/d": b"3"}
    scripts: list[Script] = [["wait-body", length(body)] for body in bodies.values()]
    async with RawUpstream(*scripts) as upstream, recording(upstream, tmp_path) as process:
        for target, body in bodies.items():
            assert (await ask(process, get(target))).body == body
    async with replaying(tmp_path) as process:
        for target, body in bodies.items():
            assert (await ask(process, get(target))).body == body


async def test_what_was_edited_to_have_no_body_is_followed_by_the_next_reply(
    tmp_path: Path,
) -> None:
    edits = {
        "a": ("status = 200", "status = 204", b"GET", b"HTTP/1.1 204 OK"),
        "b": ("status = 200", "status = 304", b"GET", b"HTTP/1.1 304 OK"),
        "c": ('method = "GET"', 'method = "HEAD"', b"HEAD", b"HTTP/1.1 200 OK"),
    }
    async with (
        RawUpstream(["wait-body", length(b"a body")]) as upstream,
        recording(upstream, tmp_path) as process,
    ):
        for name in (*edits, "next"):
            await ask(process, get(f"/{name}"))
    for name, (before, after, _, _) in edits.items():
        edit(tmp_path, name, before, after)
    async with replaying(tmp_path) as process:
        for name, (_, _, method, first) in edits.items():
            async with await process.client() as client:
                await client.send(get(f"/{name}").replace(b"GET", method))
                assert (await client.receive(head_only=True)).head.first == first
                second = await client.ask(get("/next"))
                assert (second.head.first, second.body) == (b"HTTP/1.1 200 OK", b"a body")
