"""Who answers when an upstream has failed for a request."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.message import OK, get, length, post
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script, closed_port

KEY = b"Idempotency-Key: k\r\n"
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy")]
RESET: Script = ["wait-body", "rst"]


def then(*others: RawUpstream, **options: Any) -> dict[str, Any]:
    """Those that take over, in turn."""
    names = [f"other{number}" for number in range(len(others))]
    tables = [
        {"name": name, "servers": [other.url]} for name, other in zip(names, others, strict=True)
    ]
    return {
        "others": tables,
        "routes": [{"upstream": "api", "fallback": names}],
        "retry": {"backoff_base": "1ms", "attempts": 2, "on": ["connect-failure", "reset", "503"]},
        **options,
    }


@pytest.mark.parametrize("script", [BUSY, RESET], ids=["503", "reset"])
@pytest.mark.parametrize(
    ("request_", "sent"),
    [(get(), (2, 1)), (post(b"x"), (1, 0)), (post(b"x", fields=KEY), (2, 1))],
    ids=["get", "post", "post with a key"],
)
async def test_another_upstream_takes_over_when_the_tries_have_run_out(
    script: Script, request_: bytes, sent: tuple[int, int]
) -> None:
    async with (
        RawUpstream(script) as first,
        RawUpstream() as other,
        proxied(first, **then(other)) as proxy,
    ):
        assert ((await proxy.ask(request_)).status == 200) is bool(sent[1])
        assert (len(first.requests), len(other.requests)) == sent
        exchange = await proxy.record()
        assert (exchange.record.upstream, exchange.record.attempt_count) == (
            "other0" if sent[1] else "api",
            sum(sent),
        )


@pytest.mark.parametrize("request_", [get(), post(b"x"), post(b"x" * 300_000)])
@pytest.mark.parametrize("retry", [{}, {"retry": False}])
async def test_what_was_never_sent_goes_on_for_any_method(
    request_: bytes, retry: dict[str, Any]
) -> None:
    async with RawUpstream() as other:
        dead = f"http://127.0.0.1:{closed_port()}"
        async with proxied(dead, **then(other, **retry)) as proxy:
            assert (await proxy.ask(request_)).status == 200
            assert other.requests[0].body == request_.partition(b"\r\n\r\n")[2]


async def test_they_are_asked_in_turn_until_one_answers() -> None:
    async with RawUpstream(BUSY) as a, RawUpstream(RESET) as b, RawUpstream() as c:
        async with proxied(a, **then(b, c)) as proxy:
            assert (await proxy.ask(get())).body == b"ok"
        assert [len(each.requests) for each in (a, b, c)] == [2, 2, 1]


async def test_what_answers_is_not_passed_over() -> None:
    script = [length(b"no", b"500 No")]
    async with RawUpstream(script) as first, RawUpstream() as other:
        async with proxied(first, **then(other)) as proxy:
            assert (await proxy.ask(get())).body == b"no"
        assert other.requests == []


async def test_when_all_fail_the_last_reply_is_passed_on() -> None:
    last: Script = ["wait-body", length(b"last", b"503 Busy", b"X-Last: 1\r\n")]
    async with (
        RawUpstream(BUSY) as first,
        RawUpstream(last) as other,
        proxied(first, **then(other)) as proxy,
    ):
        response = await proxy.ask(get())
        assert (response.status, response.body) == (503, b"last")
        assert response.value("X-Last") == b"1"
        assert response.value("Proxy-Status") is None


async def test_an_upstream_that_is_ejected_is_passed_over() -> None:
    async with RawUpstream(BUSY) as first, RawUpstream() as other:
        options = then(other, circuit_breaker={"consecutive_failures": 2})
        async with proxied(first, **options) as proxy:
            for _ in range(4):
                assert (await proxy.ask(post(b"x", fields=KEY))).status == 200
            assert (await proxy.ask(post(b"x"))).status == 200  # nothing was sent
        assert (len(first.requests), len(other.requests)) == (2, 5)


async def test_the_one_that_takes_over_has_a_retry_after_of_its_own() -> None:
    """The first upstream has two servers, the one that takes over has nowhere else to go."""
    again: Script = ["wait-body", length(b"", b"503 Busy", b"Retry-After: 0\r\n")]
    async with RawUpstream(BUSY) as a, RawUpstream(BUSY) as b, RawUpstream(again, HEALTHY) as c:
        options = then(c, upstream_options={"servers": [a.url, b.url]})
        options["retry"]["backoff_base"] = "2s"
        options["retry"]["backoff_max"] = "1ms"
        async with proxied(a, **options) as proxy:
            assert (await proxy.ask(get())).body == b"ok"
        assert len(c.requests) == 2


@pytest.fixture
def page(tmp_path: Path) -> str:
    file = tmp_path / "sorry.json"
    file.write_bytes(b'{"sorry": true}')
    return str(file)


@pytest.mark.parametrize(
    ("script", "token"), [(BUSY, "destination_unavailable"), (RESET, "connection_terminated")]
)
@pytest.mark.parametrize("request_", [get(), post(b"x")])
async def test_a_fixed_reply_from_a_file(
    page: str, script: Script, token: str, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    routes = [{"upstream": "api", "fallback": {"status": 200, "file": page}}]
    async with fronted(script, routes=routes) as (upstream, proxy):
        response = await proxy.ask(request_)
        assert (response.status, response.body) == (200, b'{"sorry": true}')
        assert response.value("Content-Type") == b"application/json"
        assert response.value("Proxy-Status") == f"sidecar-proxy; error={token}".encode()
        exchange = await proxy.record()
        assert (exchange.status, exchange.error) == (200, token)
        told = [vars(each) for each in caplog.records if vars(each).get("error") == token]
        assert [each["request_id"] for each in told] == [exchange.request_id]
        assert upstream.url in told[0]["message"]
        head = await proxy.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (head.status, head.value("Content-Length")) == (200, b"15")


@pytest.mark.parametrize("status", [204, 299, 520])
async def test_a_fixed_reply_may_have_any_status(page: str, status: int) -> None:
    routes = [{"upstream": "api", "fallback": {"status": status, "file": page}}]
    async with dialled(RESET, routes=routes) as (_, _, client):
        for _ in range(2):  # and the connection goes on
            assert (await client.ask(get())).status == status


async def test_a_body_that_streams_in_is_kept_for_the_next_without_retries_too() -> None:
    busy = ["wait-body", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]
    async with (
        RawUpstream(busy) as first,
        RawUpstream(["wait-body", OK]) as other,
        proxied(first, **then(other, retry=False)) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        await first.until(lambda: len(first.requests) == 1)
        await client.send(b"def")
        assert (await client.receive()).status == 200
        assert other.requests[0].body == b"abcdef"


async def test_a_refusal_of_one_upstream_says_nothing_about_the_servers_of_the_next() -> None:
    """The first has two servers, so its Retry-After is passed over; the next one has no other."""
    busy = ["wait-body", length(b"busy", b"503 Busy", fields=b"Retry-After: 1\r\n")]
    async with (
        RawUpstream(busy) as first,
        RawUpstream(busy) as second,
        RawUpstream(busy, HEALTHY) as other,
    ):
        options = then(other)
        options["upstream_options"] = {"servers": [first.url, second.url]}
        async with proxied(first, **options) as proxy:
            began = asyncio.get_running_loop().time()
            assert (await proxy.ask(get())).status == 200
            assert len(other.requests) == 2
            assert asyncio.get_running_loop().time() - began >= 0.99
            assert (await proxy.record()).record.attempt_log[0].seconds < 0.9
            assert len(first.requests) + len(second.requests) == 2


@pytest.mark.parametrize("retry", [{"attempts": 2, "backoff_base": "1ms"}, {"attempts": 1}, False])
@pytest.mark.parametrize("per_try", ["100ms", "auto"])
async def test_per_try_ends_the_last_attempt_too_where_another_upstream_takes_over(
    per_try: str, retry: Any
) -> None:
    known = 20 if per_try == "auto" else 0
    async with RawUpstream(*[[OK]] * known, ["hold"]) as first, RawUpstream() as other:
        options = then(other, retry=retry, timeouts={"per_try": per_try})
        async with proxied(first, **options) as proxy:
            for _ in range(known + 1):
                assert (await proxy.ask(get())).status == 200
            assert len(other.requests) == 1


@pytest.mark.parametrize("request_", [get(), post(b"x")])
async def test_per_try_ends_no_attempt_that_no_other_upstream_would_go_on_with(
    request_: bytes,
) -> None:
    once = request_.startswith(b"POST")
    slow: Script = ["wait-body", 0.4, OK]
    async with RawUpstream(slow) as first, RawUpstream(slow) as other:
        options = then(other, retry={"attempts": 1}, timeouts={"per_try": "100ms"})
        async with proxied(first, **options) as proxy:
            assert (await proxy.ask(request_)).status == 200
            assert (len(first.requests), len(other.requests)) == ((1, 0) if once else (1, 1))
