"""The proxy's own credentials, over sockets: files that change, and several keys."""

from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.credentials import shown, takes, told, turn, until
from tests.support.message import get, post
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream


async def test_a_401_has_the_file_read_at_once_and_the_request_sent_again(tmp_path: Path) -> None:
    turn(tmp_path / "key", "Bearer one\n")
    tables = {"upstream_options": {"credentials": {"value_file": str(tmp_path / "key")}}}
    async with fronted(takes(b"Bearer one"), **tables) as (upstream, proxy):
        assert (await proxy.ask(post(b"hello"))).status == 200
        upstream.play(takes(b"Bearer two"))
        turn(tmp_path / "key", "Bearer two\n")
        assert (await proxy.ask(post(b"hello"))).status == 200
        assert shown(upstream) == [b"Bearer one", b"Bearer one", b"Bearer two"]
        assert upstream.requests[-1].body == b"hello"


KEYS = {
    "upstream_options": {
        "credentials": [
            {"name": "first", "header": "X-Key", "value": "value-of-the-first"},
            {"name": "second", "header": "X-Key", "value": "value-of-the-second"},
        ]
    }
}


async def test_a_429_goes_to_the_next_key_with_the_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = b"x" * 300_000  # more than comes with the head, and more than a POST keeps by default
    script = takes(b"value-of-the-second", field="X-Key", status=429)
    with caplog.at_level("INFO"):
        async with fronted(script, **KEYS) as (upstream, proxy):
            for _ in range(3):
                assert (await proxy.ask(post(body))).body == body
            assert shown(upstream, "X-Key")[0] == b"value-of-the-first"
            assert len(upstream.requests) in (4, 5)  # a 429 without a time counts for a second
            first, second = told(proxy)["first"], told(proxy)["second"]
            assert (first["exceeded"], second["exceeded"]) == (first["requests"], 0)
            assert second["requests"] == 3
    assert "the quota of the credentials 'first' at api is used up for 1 s" in caplog.text
    assert "value-of-the" not in caplog.text


async def test_a_401_takes_one_key_out_and_the_request_goes_on_with_the_other() -> None:
    script = takes(b"value-of-the-second", field="X-Key")
    async with fronted(script, **KEYS) as (upstream, proxy):
        for _ in range(3):
            assert (await proxy.ask(post(b"hello"))).status == 200
        assert len(upstream.requests) == 4
        assert told(proxy)["first"]["refused"] == 1
        assert told(proxy)["first"]["blocked_s"] > 30
        assert told(proxy)["second"]["blocked_s"] == 0


async def test_a_clients_own_key_does_not_go_along() -> None:
    async with fronted(**KEYS) as (upstream, proxy):
        await proxy.ask(get(fields=b"x-key: theirs\r\n"))
        assert shown(upstream, "X-Key") == [b"value-of-the-first"]


async def test_health_checks_show_what_requests_show() -> None:
    tables = {"upstream_options": {**KEYS["upstream_options"], "health_check": {"path": "/up"}}}
    async with fronted(**tables) as (upstream, _):

        async def checked() -> bool:
            return bool(upstream.requests)

        await until(checked)
        assert upstream.requests[0].line == b"GET /up HTTP/1.1"
        assert shown(upstream, "X-Key")[0] == b"value-of-the-first"


async def test_another_certificate_of_ours_is_shown_on_new_connections(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = {
        "ca_file": authority.path("ca.pem"),
        "cert_file": authority.path("client.pem"),
        "key_file": authority.path("client.key"),
    }
    async with RawUpstream(tls=authority.server(demands=True)) as upstream:
        options = {"tls": tls, "keepalive_timeout": "0"}
        async with proxied(upstream, upstream_options=options) as proxy:
            assert (await proxy.ask(get())).status == 200
            authority.issue("client", "DNS:renewed.test")

            async def renewed() -> bool:
                assert (await proxy.ask(get())).status == 200
                return "renewed.test" in str(upstream.connections[-1].peer_certificate)

            await until(renewed)
