"""What several servers are worth where nothing but their addresses is written."""

from typing import Any

import pytest

from tests.support.message import get, length, post
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream, Script, closed_port

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CUT: Script = ["wait-body", HEAD + b"12345", 0.02, "fin"]
FAULTS: dict[str, tuple[Script, int]] = {
    # what one server does to every request, and what a POST then gets
    "reset": (["wait-body", "rst"], 502),
    "closed": (["wait-body", "fin"], 502),
    "cut": (CUT, 200),  # its head, which says what has been done, and the cut
    "garbage": (["wait-body", b"SSH-2.0\r\n\r\n"], 502),
    "502": (["wait-body", length(b"", b"502 Bad Gateway")], 502),
    "503": (["wait-body", length(b"", b"503 Busy")], 503),
    "504": (["wait-body", length(b"", b"504 Late")], 504),
}


def servers(*urls: str) -> dict[str, Any]:
    return {"upstream_options": {"servers": list(urls)}}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_http_calls_idempotent_is_answered_by_another_server(fault: str) -> None:
    script, _ = FAULTS[fault]
    async with RawUpstream(script) as bad, RawUpstream() as good:
        async with proxied(bad, **servers(bad.url, good.url)) as proxy:
            for number in range(60):  # which one is asked first is chance
                response = await proxy.ask(get())
                assert (response.status, response.ended) == (200, "complete")
                if bad.requests and number > 5:
                    break
        assert bad.requests, "it was asked too"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_post_that_may_have_been_executed_is_sent_once(fault: str) -> None:
    script, status = FAULTS[fault]
    async with RawUpstream(script) as one, RawUpstream(script) as other:
        async with proxied(one, **servers(one.url, other.url)) as proxy:
            response = await proxy.ask(post(b"x"))
            assert response.status == status
            assert (response.ended == "complete") is (fault != "cut")
        assert len(one.requests) + len(other.requests) == 1


@pytest.mark.parametrize("request_", [get(), post(b"x")])
async def test_what_could_not_be_sent_goes_to_another_server(request_: bytes) -> None:
    gone = f"http://127.0.0.1:{closed_port()}"
    async with RawUpstream() as good:
        options = {**servers(gone, good.url), "retry": {"budget": {"min_per_second": 0}}}
        async with proxied(good, **options) as proxy:
            for _ in range(8):
                assert (await proxy.ask(request_)).status == 200
        assert len(good.requests) == 8


async def test_a_copy_is_made_only_where_somebody_asked_for_it() -> None:
    slow: Script = ["wait-body", 0.5, length(b"ok")]
    async with RawUpstream(slow) as one, RawUpstream(slow) as other:
        async with proxied(one, **servers(one.url, other.url)) as proxy:
            assert (await proxy.ask(get())).status == 200
        assert len(one.requests) + len(other.requests) == 1
