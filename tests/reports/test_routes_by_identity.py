"""A route that asks who a client is cannot be had by a client that only says so."""

from typing import Any

import pytest

from tests.support.authority import Authority
from tests.support.message import get, post
from tests.support.proxy import fronted, proxied
from tests.support.tls_client import client_of, encrypted, trusting
from tests.support.upstream import RawUpstream, Script

SUBJECT = b"X-Client-Cert-Subject: CN=alice\r\n"


def answering(name: bytes) -> Script:
    return ["wait-body", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name)]


def routes(public: RawUpstream, inner: RawUpstream, **headers: str) -> dict[str, Any]:
    return {
        "others": [{"name": "inner", "servers": [inner.url]}],
        "routes": [
            {"path": "/", "upstream": "api"},
            {"path": "/", "upstream": "inner", "headers": headers},
        ],
    }


async def test_a_subject_is_that_of_the_certificate(authority: Authority) -> None:
    authority.issue("alice", "DNS:alice.test", "/CN=alice")
    server = encrypted(authority, client_auth="optional", client_ca_file=authority.path("ca.pem"))
    asked = {"X-Client-Cert-Subject": "CN=alice"}
    async with (
        RawUpstream(answering(b"public")) as public,
        RawUpstream(answering(b"inner")) as inner,
        proxied(public, server=server, **routes(public, inner, **asked)) as proxy,
    ):
        for certificate, body in (("", b"public"), ("client", b"public"), ("alice", b"inner")):
            context = trusting(authority, certificate)
            async with await client_of(proxy, authority, context=context) as client:
                for fields in (b"", SUBJECT, b"x_client_cert_subject: CN=alice\r\n", SUBJECT):
                    assert (await client.ask(get(fields=fields))).body == body


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("more", [b"", b"TE: trailers\r\n"], ids=["fast", "odd"])
async def test_without_tls_a_certificate_is_what_a_trusted_proxy_says_of_it(
    trusted: bool, more: bytes
) -> None:
    server = {"trusted_proxies": ["127.0.0.1"]} if trusted else {}
    asked = {"X-Client-Cert-Subject": "CN=alice"}
    cert = SUBJECT + b"Client-Cert: :AAAA:\r\nclient_cert: :B:\r\nClient-Cert-Chain: :C:\r\n" + more
    async with (
        RawUpstream(answering(b"public")) as public,
        RawUpstream(answering(b"inner")) as inner,
        proxied(public, server=server, **routes(public, inner, **asked)) as proxy,
    ):
        for _ in range(3):  # the same bytes again come from a cache
            reply = await proxy.ask(get(fields=cert))
            assert reply.body == (b"inner" if trusted else b"public")
    for request in (inner if trusted else public).requests:
        told = [name for name in request.head.names() if b"cert" in name.lower()]
        assert len(told) == (4 if trusted else 0)


async def test_a_limit_by_certificate_is_not_evaded_by_saying_another() -> None:
    limit = {"average": 1, "period": "1h", "burst": 1, "key": "header:X-Client-Cert-Subject"}
    async with fronted(rate_limit=limit) as (_, proxy):
        statuses = [
            (await proxy.ask(get(fields=b"X-Client-Cert-Subject: CN=%d\r\n" % number))).status
            for number in range(3)
        ]
    assert statuses == [200, 429, 429]


@pytest.mark.parametrize("trusted", [False, True])
async def test_what_a_client_says_of_itself_counts_if_it_is_a_trusted_proxy(
    trusted: bool,
) -> None:
    server = {"trusted_proxies": ["127.0.0.1"]} if trusted else {}
    body = b"inner" if trusted else b"public"
    async with (
        RawUpstream(answering(b"public")) as public,
        RawUpstream(answering(b"inner")) as inner,
        proxied(
            public, server=server, **routes(public, inner, **{"X-Forwarded-Proto": "https"})
        ) as proxy,
    ):
        for _ in range(3):  # the same bytes again come from a cache
            fields = b"X-Forwarded-Proto: https\r\n"
            assert (await proxy.ask(get(fields=fields))).body == body
        assert (await proxy.ask(get())).body == b"public"


async def test_fields_that_do_not_go_further_tell_requests_apart_as_ever() -> None:
    async with (
        RawUpstream(answering(b"public")) as public,
        RawUpstream(answering(b"inner")) as inner,
        proxied(
            public,
            **routes(public, inner, **{"TE": "trailers", "X-Forwarded-Proto": "http"}),
        ) as proxy,
    ):
        assert (await proxy.ask(get(fields=b"TE: trailers\r\n"))).body == b"inner"
        assert (await proxy.ask(get())).body == b"public"


async def test_methods_and_refusals_are_those_of_the_route_that_it_may_have() -> None:
    """`Allow`, and how the answer to a request that is refused looks, tell of no other route."""
    async with RawUpstream() as public, RawUpstream() as inner:
        tables = routes(public, inner, **{"X-Forwarded-Proto": "https"})
        tables["routes"][0]["methods"] = ["POST", "OPTIONS"]
        tables["routes"][1] |= {
            "methods": ["POST", "DELETE", "OPTIONS"],
            "errors": {"format": "text"},
        }
        async with proxied(public, server={"max_body": "1B"}, **tables) as proxy:
            forged = b"X-Forwarded-Proto: https\r\nMax-Forwards: 0\r\n"
            asked = await proxy.ask(get(fields=forged).replace(b"GET", b"OPTIONS", 1))
            assert b"DELETE" not in b"".join(asked.values("Allow"))
            refused = await proxy.ask(post(b"long", fields=b"X-Forwarded-Proto: https\r\n"))
            assert refused.status == 413
            assert refused.values("Content-Type") == [b"application/problem+json"]
