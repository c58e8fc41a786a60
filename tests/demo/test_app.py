"""The demo API, endpoint by endpoint."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient
from yarl import URL

from proxy.demo.app import ENDPOINTS, application

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
async def api(waits: list[float], aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return await aiohttp_client(application(sleep))


async def test_the_index_lists_every_endpoint_that_there_is(api: Client) -> None:
    listed = [entry["path"] for entry in await (await api.get("/")).json()]
    assert listed == list(ENDPOINTS)
    for path in listed:
        if path not in ("/never", "/bytes/1MiB"):
            assert (await api.get(path, read_until_eof=False)).status != 404


@pytest.mark.parametrize(
    ("query", "waited"),
    [("", 2.0), ("?seconds=0.5", 0.5), ("?seconds=0", 0.0), ("?seconds=inf", 600.0)],
)
async def test_slow_answers_after_a_wait_that_has_a_limit(
    api: Client, waits: list[float], query: str, waited: float
) -> None:
    answer = await api.get("/slow" + query)
    assert await answer.json() == {"waited": waited}
    assert waits == [waited]


async def test_stream_sends_events_with_a_wait_between_them(
    api: Client, waits: list[float]
) -> None:
    answer = await api.get("/stream?events=3&interval=0.25")
    assert answer.headers["Content-Type"] == "text/event-stream"
    events = (await answer.text()).split("\n\n")
    assert events == [
        f'id: {n}\nevent: tick\ndata: {{"number": {n}, "of": 3}}' for n in (1, 2, 3)
    ] + [""]
    assert waits == [0.25, 0.25]


@pytest.mark.parametrize(
    ("size", "length"), [("0", 0), ("1", 1), ("65537", 65537), ("3KiB", 3072), ("1MiB", 1 << 20)]
)
async def test_bytes_are_as_many_as_asked_for(api: Client, size: str, length: int) -> None:
    answer = await api.get(f"/bytes/{size}")
    assert answer.content_length == length
    assert len(await answer.read()) == length


@pytest.mark.parametrize(
    "path",
    [
        "/bytes/many",
        "/bytes/99999GiB",
        "/bytes/-1",
        "/status/99",
        "/status/600",
        "/status/odd",
        "/slow?seconds=-1",
        "/slow?seconds=nan",
        "/slow?seconds=soon",
        "/stream?events=x",
    ],
)
async def test_what_makes_no_sense_is_refused(api: Client, waits: list[float], path: str) -> None:
    answer = await api.get(path)
    assert answer.status == 400
    assert set(await answer.json()) == {"error"}
    assert waits == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b'{"status": 200}\n'), (204, b""), (304, b""), (503, b'{"status": 503}\n')],
)
async def test_status_is_the_one_asked_for(api: Client, status: int, body: bytes) -> None:
    answer = await api.post(f"/status/{status}")
    assert (answer.status, await answer.read()) == (status, body)


async def test_flaky_fails_every_other_time(api: Client) -> None:
    answers = [await api.get("/flaky") for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 200, 503, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", None, "1", None]


@pytest.mark.parametrize("after", [0, 10, 100_000])
async def test_cut_sends_less_than_it_declares(api: Client, after: int) -> None:
    answer = await api.get(f"/cut?after={after}")
    assert answer.content_length == after + 1000
    assert len(await answer.content.readexactly(after)) == after
    with pytest.raises(ClientPayloadError):
        await answer.read()


async def test_echo_tells_what_arrived(api: Client) -> None:
    answer = await api.put(
        URL("/echo?a=%2F&b", encoded=True), data=b"x" * 70_000, headers=[("X-A", "1"), ("X-A", "2")]
    )
    told = await answer.json()
    assert (told["method"], told["target"], told["body_length"]) == ("PUT", "/echo?a=%2F&b", 70_000)
    assert [value for name, value in told["headers"] if name == "X-A"] == ["1", "2"]


@pytest.mark.parametrize("known", [True, False])
async def test_echo_body_returns_the_body_with_its_framing(api: Client, known: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first "
        yield b"second"

    data = b"first second" if known else pieces()
    answer = await api.post("/echo/body", data=data, headers={"Content-Type": "text/x"})
    assert answer.content_length == (12 if known else None)
    assert answer.headers["Content-Type"] == "text/x"
    assert await answer.read() == b"first second"


async def test_echo_body_sends_before_the_body_has_ended(api: Client) -> None:
    more = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await more.wait()
        yield b"second"

    answer = await api.post("/echo/body", data=pieces())
    assert await answer.content.readany() == b"first"
    more.set()
    assert await answer.content.read() == b"second"


async def test_never_says_nothing(api: Client) -> None:
    asked = asyncio.ensure_future(api.get("/never"))
    await api.get("/slow?seconds=0")
    assert not asked.done()
    asked.cancel()


async def test_headers_shows_both_directions(api: Client) -> None:
    answer = await api.get("/headers", headers={"X-Mine": "caf\u00e9"})
    assert ["X-Mine", "caf\u00c3\u00a9"] in (await answer.json())["headers"]
    assert answer.headers.getall("X-Demo") == ["first", "second"]
    assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("path", ["/bytes/5", "/stream", "/slow"])
async def test_head_has_no_body(api: Client, path: str) -> None:
    answer = await api.head(path)
    assert (answer.status, await answer.read()) == (200, b"")
