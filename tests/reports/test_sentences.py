"""What went wrong is said in one plain sentence, in problem bodies and on standard error.

Everybody may know what happened; which server, which clock and why is told where
``[errors] details`` allows it, and always in the log.
"""

import json
import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from proxy.core import errors
from proxy.edge.responses import sentence
from proxy.edge.statuses import FAILURES, SENTENCES
from tests.support.client import RawClient
from tests.support.message import OK, get
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import RawUpstream, closed_port

HELLO = b"GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n"
ROUTE = [{"path": "/v1", "upstream": "api"}]
INTERNALS = re.compile(r"\bb'|<[\w.]+ object| at 0x|Error\b|Exception|Errno|Traceback|\bNone\b")


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proxy")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The sentences about exchanges."""
    return [record.getMessage() for record in caplog.records if hasattr(record, "error")]


async def nothing_listens() -> str:
    return f"http://127.0.0.1:{closed_port()}"


CASES: list[tuple[str, dict[str, Any], tuple[Any, ...], int, str]] = [
    ("refused", {}, (), 502, r"http://127\.0\.0\.1:\d+ refused the connection on route /v1"),
    (
        "unknown name",
        {},
        ("http://nowhere.invalid:1",),
        502,
        r"the name nowhere\.invalid of http://nowhere\.invalid:1 could not be looked up: .+",
    ),
    (
        "no head",
        {"timeouts": {"first_byte": "50ms"}},
        ("hold",),
        504,
        r"no reply from http://127\.0\.0\.1:\d+ within first_byte of 0\.05 s on route /v1",
    ),
    (
        "total",
        {"timeouts": {"total": "50ms"}},
        ("hold",),
        504,
        r"no reply within total of 0\.05 s on route /v1",
    ),
    (
        "per_try",
        {"timeouts": {"per_try": "50ms", "first_byte": "100ms"}, "retry": {"attempts": 2}},
        ("hold",),
        504,
        r"no reply from \S+ within first_byte of 0\.1 s on route /v1",
    ),
    (
        "closed",
        {"retry": {"attempts": 1}},
        ("fin",),
        502,
        r"http://127\.0\.0\.1:\d+ closed the connection before it replied on route /v1",
    ),
    (
        "reset",
        {"retry": {"attempts": 1}},
        ("rst",),
        502,
        r"http://127\.0\.0\.1:\d+ (reset|closed) the connection before it replied on route /v1",
    ),
    (
        "no HTTP",
        {"retry": {"attempts": 1}},
        (b"SSH-2.0-x\r\n\r\n", "hold"),
        502,
        r"the reply of http://127\.0\.0\.1:\d+ is not valid HTTP: .+ on route /v1",
    ),
    (
        "a bad field",
        {"retry": {"attempts": 1}},
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "hold"),
        502,
        r".*gzip.* on route /v1",
    ),
]


@pytest.mark.parametrize("details", [True, False], ids=["details", "no details"])
@pytest.mark.parametrize(
    ("tables", "script", "status", "pattern"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
async def test_the_answer_and_the_log_say_what_happened(  # noqa: PLR0917
    caplog: pytest.LogCaptureFixture,
    tables: dict[str, Any],
    script: tuple[Any, ...],
    status: int,
    pattern: str,
    details: bool,
) -> None:
    async def asked(server: RawUpstream | str) -> tuple[int, dict[str, Any]]:
        options = {**tables, "routes": ROUTE, "errors": {"details": details}}
        async with proxied(server, **options) as proxy:
            response = await proxy.ask(HELLO)
            shown = (response.value("Proxy-Status") or b"").decode()
            assert ("details=" in shown) is details
            assert not INTERNALS.search(shown)
            return response.status, json.loads(response.body)

    if not script:
        found, problem = await asked(await nothing_listens())
    elif isinstance(script[0], str) and script[0].startswith("http"):
        found, problem = await asked(script[0])
    else:
        async with RawUpstream(script) as upstream:
            found, problem = await asked(upstream)
    assert found == status
    (logged,) = told(caplog)
    assert re.search(pattern, logged), logged
    assert not INTERNALS.search(logged), logged
    if details:
        assert problem["detail"] == logged
    else:
        assert problem["detail"] in SENTENCES.values()
        assert "127.0.0.1" not in problem["detail"]
    assert problem["detail"] not in {HTTPStatus(status).phrase, HTTPStatus(status).description}


async def test_ejected_servers_are_named_with_the_time_of_their_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaker = {"consecutive_failures": 1, "base_ejection_time": "1h"}
    options = {"circuit_breaker": breaker, "retry": {"attempts": 1}, "routes": ROUTE}
    async with proxied(await nothing_listens(), **options, errors={"details": True}) as proxy:
        await proxy.ask(HELLO)
        problem = json.loads((await proxy.ask(HELLO)).body)
    assert re.fullmatch(
        r"no server may be asked: http://127\.0\.0\.1:\d+ is ejected until \d\d:\d\d:\d\d UTC"
        r" on route /v1",
        problem["detail"],
    )


async def read_some_and_leave(proxy: Proxy, upstream: RawUpstream) -> None:
    async with await proxy.connect() as client:
        await client.send(HELLO)
        await client.read_until(b"hello", 30)


async def leave_before_the_head(proxy: Proxy, upstream: RawUpstream) -> None:
    async with await proxy.connect() as client:
        await client.send(HELLO)
        await upstream.until(lambda: len(upstream.requests) == 1)


async def read_to_the_end(proxy: Proxy, upstream: RawUpstream) -> None:
    async with await proxy.connect() as client:
        await client.ask(HELLO, patience=30)


async def give_a_third_of_a_second(proxy: Proxy, upstream: RawUpstream) -> None:
    await proxy.ask(get("/v1/hello", b"X-Request-Timeout-Ms: 300\r\n"), patience=30)


async def read_nothing(proxy: Proxy, upstream: RawUpstream) -> None:
    client = await RawClient.connect(proxy.address, receive_buffer=1024)
    await client.send(HELLO)
    await proxy.record()
    client.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
ENDED = [
    ("left before the head", leave_before_the_head, {}, ("hold",), "before its reply began"),
    ("left", read_some_and_leave, {}, (HEAD + b"hello", "hold"), "after 5 bytes of its reply"),
    (
        "stalled",
        read_to_the_end,
        {"timeouts": {"idle": "50ms"}},
        (HEAD + b"hello", "hold"),
        "the upstream sent nothing more of its reply within idle of 0.05 s on route /v1",
    ),
    (
        "total",
        read_to_the_end,
        {"timeouts": {"total": "300ms"}},
        (HEAD + b"hello", "hold"),
        "the reply was not complete within total of 0.3 s on route /v1",
    ),
    (
        "the client's deadline",
        give_a_third_of_a_second,
        {"deadline": {}},
        (HEAD + b"hello", "hold"),
        "the reply was not complete within the client's deadline of 0.3 s on route /v1",
    ),
    (
        "cut short",
        read_to_the_end,
        {},
        (HEAD + b"hello", "fin"),
        "the upstream closed the connection before the end of its reply on route /v1",
    ),
    (
        "reset",
        read_to_the_end,
        {},
        (HEAD + b"hello", "rst"),
        "the upstream cut its reply by a reset",
    ),
    (
        "no last chunk",
        read_to_the_end,
        {},
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "fin"),
        "the upstream closed the connection before the end of its reply on route /v1",
    ),
    (
        "stuck client",
        read_nothing,
        {"server": {"write_idle_timeout": "200ms"}},
        (HEAD, *[b"x" * (1 << 20)] * 30, "hold"),
        "the client took nothing of its reply within write_idle_timeout of 0.2 s",
    ),
]


@pytest.mark.parametrize(
    ("act", "tables", "script", "what"), [case[1:] for case in ENDED], ids=[c[0] for c in ENDED]
)
async def test_exchanges_that_were_cut_have_their_sentence_too(
    caplog: pytest.LogCaptureFixture,
    act: Callable[[Proxy, RawUpstream], Any],
    tables: dict[str, Any],
    script: tuple[Any, ...],
    what: str,
) -> None:
    async with fronted(script, **tables, routes=ROUTE) as (upstream, proxy):
        await act(proxy, upstream)
        await proxy.record()
    (logged,) = told(caplog)
    assert what in logged
    assert not INTERNALS.search(logged), logged


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
@pytest.mark.parametrize("details", [True, False])
async def test_refusals_show_no_internals(
    caplog: pytest.LogCaptureFixture, request_: bytes, details: bool
) -> None:
    async with fronted([OK], errors={"details": details}) as (_, proxy):
        response = await proxy.ask(request_)
        status = HTTPStatus(response.status)
        detail = json.loads(response.body)["detail"]
    assert status >= 400
    assert detail not in {status.phrase, status.description, ""}
    for said in (detail, *told(caplog)):
        assert not INTERNALS.search(said), said
    if not details:
        assert detail in SENTENCES.values()


def test_every_failure_has_a_sentence() -> None:
    assert FAILURES.keys() == SENTENCES.keys()
    assert all(re.fullmatch(r"[A-Z].+\.", words) for words in SENTENCES.values())

    assert sentence(errors.ConnectError()) == SENTENCES[errors.InternalError]
