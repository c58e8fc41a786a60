"""A request that is refused, and a reply that is, has a sentence that says what is wrong."""

import json
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.message import OK, get
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import RawUpstream

REFUSED: list[tuple[bytes, str]] = [
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n",
        "the body has 3000 bytes, more than",
    ),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 'field "Host" was sent more than once'),
    (b"GET / HTTP/1.1\r\n\r\n", "there is no Host field"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 'Host "a b" is not a host name'),
    (b"GET / HTTP/1.1\r\nHost: me:pass@h\r\n\r\n", 'Host "***@h" is not a host name'),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        'Content-Length "x" is not one number',
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
        'Content-Length "9223372036854775808" is 2^63 bytes or more',
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0009223372036854775808\r\n\r\n",
        'Content-Length "0009223372036854775808" is 2^63 bytes or more',
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        "Transfer-Encoding and Content-Length were both sent",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        'transfer coding "gzip, chunked" is not supported',
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "a chunk size is not a hexadecimal number",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "a chunk size is 2^63 bytes or more",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001",
        "a chunk size has more than 16 digits",
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        "the head is larger than max_header_size of 16KiB",
    ),
    (b"GET /a#x HTTP/1.1\r\nHost: a\r\n\r\n", 'target "/a" has a fragment (#)'),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 'target "*" is for OPTIONS alone'),
    (b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n", 'target "foo" begins with neither / nor'),
    (b"GET ftp://x/y HTTP/1.1\r\nHost: a\r\n\r\n", 'target "ftp://x/y" begins with neither / nor'),
    (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 'target "http:///x" names no host'),
    (b"GET http://u:p@h/x HTTP/1.1\r\nHost: a\r\n\r\n", 'the target names a user of "h"'),
    (b"GET http://h:99999/x HTTP/1.1\r\nHost: a\r\n\r\n", '"h:99999" in the target is not a host'),
    (b"GET /" + b"a" * 20_000, "the request line is longer than max_header_size of 16KiB"),
]


@pytest.mark.parametrize(("request_", "words"), REFUSED, ids=[words for _, words in REFUSED])
async def test_a_refused_request_is_told_what_is_wrong_in_a_sentence(
    request_: bytes, words: str
) -> None:
    async with fronted([OK], server={"max_body": "1KiB"}, errors={"details": True}) as (_, proxy):
        response = await proxy.ask(request_)
    assert words in json.loads(response.body)["detail"]


async def test_a_reply_whose_head_is_too_large_is_named_with_its_server() -> None:
    head = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"
    async with fronted(
        [head],
        errors={"details": True},
        retry={"attempts": 1},
    ) as (upstream, proxy):
        response = await proxy.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert response.status == 502
        detail = json.loads(response.body)["detail"]
        assert (
            detail
            == f"the head of the reply of {upstream.url} is larger than 65536 bytes on route /"
        )


async def test_a_certificate_of_an_unknown_authority_is_told_with_the_option_for_it(
    tmp_path: Path,
) -> None:
    async with (
        RawUpstream(tls=Authority(tmp_path).server()) as upstream,
        proxied(upstream, errors={"details": True}) as proxy,
    ):
        response = await proxy.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "[upstreams.tls] ca_file" in json.loads(response.body)["detail"]


async def test_one_connection_too_many_is_told_which_limit_it_met() -> None:
    """By the log and the page; the client is told that none is free."""
    async with dialled(["hold"], server={"max_connections": 1}) as (upstream, proxy, one):
        await one.send(get())
        await upstream.until(lambda: upstream.requests)
        assert (await proxy.ask(b"")).status == 503
        refused = await proxy.record()
    assert refused.record.failure == (
        "connection_limit",
        "1 connections are open, which is the limit",
    )


LONG = b"a" * 15_000
LONG_ASKED: list[bytes] = [
    b"GET / HTTP/1.1\r\nHost: a" + b" " * 15_000 + b"b\r\n\r\n",
    b"GET http://b/ HTTP/1.1\r\nHost: " + LONG + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + LONG + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + LONG + b"\r\n\r\n",
    b"GET /" + LONG + b"\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + LONG + b"(: b\r\n\r\n",
]
LONG_ANSWERED: list[bytes] = [
    b"HTTP/1.1 200 OK\r\n" + LONG + b"(: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + LONG + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + LONG + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: " + b"0" * 15_000 + b"2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + LONG + b"\r\n\r\n",
    b"HTTP/1.1 " + LONG + b"\r\n\r\n",
    LONG,
]


@pytest.mark.parametrize("number", range(len(LONG_ASKED)))
async def test_a_refusal_shows_little_of_a_long_request(number: int) -> None:
    async with fronted(
        [OK], server={"strict": True, "max_header_size": "32KiB"}, errors={"details": True}
    ) as (_, proxy):
        response = await proxy.ask(LONG_ASKED[number])
    assert response.status in (400, 501)
    assert len(response.body) < 700
    assert len(response.value("Proxy-Status") or b"") < 700


@pytest.mark.parametrize("number", range(len(LONG_ANSWERED)))
async def test_a_refusal_shows_little_of_a_long_reply(number: int) -> None:
    async with fronted([LONG_ANSWERED[number]], errors={"details": True}) as (_, proxy):
        response = await proxy.ask(get())
    assert response.status == 502
    assert len(response.body) < 700
    assert len(response.value("Proxy-Status") or b"") < 700
