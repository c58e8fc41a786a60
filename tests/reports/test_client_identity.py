"""Who the client is, as the upstream is told: no contradiction, and nobody can forge it.

spring-cloud/spring-cloud-gateway#809: Forwarded said http beside X-Forwarded-Proto: https of a
trusted proxy, and applications built links with the wrong scheme.
"""

import re
from typing import Any

import pytest

from tests.support.message import get
from tests.support.proxy import fronted
from tests.support.upstream import RawUpstream

TRUSTING = ["127.0.0.0/8"]


async def told(fields: bytes, **server: Any) -> tuple[RawUpstream, str]:
    """The upstream after one request with these fields, and the client that is logged."""
    async with fronted(server=server) as (upstream, proxy):
        assert (await proxy.ask(get(fields=fields))).status == 200
        return upstream, (await proxy.record()).client


@pytest.mark.parametrize(
    "fields",
    [
        b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n",
        b"X-Forwarded-Proto: https\r\n",
        b"Forwarded: for=192.0.2.1;proto=https\r\n",
        b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1\r\n",
    ],
)
async def test_both_families_name_one_scheme(fields: bytes) -> None:
    upstream, _ = await told(fields, trusted_proxies=TRUSTING)
    head = upstream.requests[0].head
    assert head.value("X-Forwarded-Proto") == b"https"
    protos = re.findall(rb"proto=\"?([a-z]+)", head.value("Forwarded") or b"")
    assert set(protos) <= {b"https"}


@pytest.mark.parametrize("trusted", [[], TRUSTING])
@pytest.mark.parametrize(
    ("families", "names"),
    [
        ("both", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]),
        ("x", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]),
        ("forwarded", ["Forwarded"]),
        ("off", []),
    ],
)
async def test_an_option_says_which_family_goes_upstream(
    trusted: list[str], families: str, names: list[str]
) -> None:
    fields = b"X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n"
    upstream, client = await told(fields, trusted_proxies=trusted, forwarded=families)
    found = {name.decode() for name in upstream.requests[0].head.names()}
    assert sorted(name for name in found if "orwarded" in name) == names
    assert client == ("192.0.2.1" if trusted else "127.0.0.1")


@pytest.mark.parametrize(
    "fields",
    [
        b'Forwarded: for=192.0.2.1;host="x;for=6.6.6.6"\r\n',
        b'Forwarded: for=192.0.2.1;host="x, for=6.6.6.6"\r\n',
        b'Forwarded: for=6.6.6.6;x="\r\nForwarded: for=192.0.2.1\r\n',
        b"X-Forwarded-For: 192.0.2.1\r\nX_Forwarded_For: 6.6.6.6\r\n",
        b"X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n",
    ],
)
async def test_what_a_client_slips_past_a_trusted_proxy_names_nobody_else(fields: bytes) -> None:
    upstream, client = await told(fields, trusted_proxies=TRUSTING)
    assert client == "192.0.2.1"
    forwarded = upstream.requests[0].head.value("Forwarded") or b""
    if b'x="' in fields:
        assert b"6.6.6.6" not in forwarded  # or what stands behind it could not be read


async def test_x_real_ip_is_a_trusted_proxys_to_set() -> None:
    for trusted, values in ((TRUSTING, [b"6.6.6.6"]), ([], [])):
        upstream, _ = await told(b"X-Real-IP: 6.6.6.6\r\n", trusted_proxies=trusted)
        assert upstream.requests[0].head.values("X-Real-IP") == values


@pytest.mark.parametrize(
    "element",
    [
        b'for=192.0.2.1;host="x;for=6.6.6.6"',
        b'for=192.0.2.1;host="x, for=6.6.6.6"',
        b'for=192.0.2.1;host="a/b"',
        b'for=192.0.2.1;host="[::1"',
        b'for=192.0.2.1;proto="https;for=6.6.6.6"',
        b'for=192.0.2.1;by="_b, for=6.6.6.6"',
    ],
)
async def test_what_is_no_host_no_scheme_and_no_node_is_not_passed_on(element: bytes) -> None:
    upstream, client = await told(b"Forwarded: %b\r\n" % element, trusted_proxies=TRUSTING)
    head = upstream.requests[0].head
    assert client == "192.0.2.1"
    assert (head.value("Forwarded") or b"").startswith(b"for=192.0.2.1, for=127.0.0.1")
    assert head.value("X-Forwarded-Host") == b"proxy.test"
    assert head.value("X-Forwarded-For") == b"192.0.2.1, 127.0.0.1"
    assert head.value("X-Forwarded-Proto") == b"http"


async def test_a_node_that_is_none_is_unknown() -> None:
    forwarded = b'Forwarded: for="192.0.2.1;for=6.6.6.6";host=a\r\n'
    upstream, client = await told(forwarded, trusted_proxies=TRUSTING)
    head = upstream.requests[0].head
    assert client == "127.0.0.1"
    assert (head.value("Forwarded") or b"").startswith(b"for=unknown;host=a, ")
    assert head.value("X-Forwarded-Host") == b"a"


async def test_a_host_of_the_other_family_that_is_none_is_not_converted() -> None:
    fields = b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: x;for=6.6.6.6\r\n"
    upstream, _ = await told(fields, trusted_proxies=TRUSTING)
    assert b"6.6.6.6" not in (upstream.requests[0].head.value("Forwarded") or b"")


async def test_a_host_with_delimiters_is_not_said_in_forwarded() -> None:
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(get(host=b"x;for=6.6.6.6"))).status == 200
        head = upstream.requests[0].head
        assert head.value("Forwarded") == b"for=127.0.0.1;proto=http"
        assert head.value("Host") == b"x;for=6.6.6.6"
