"""The proxy's own credentials, over sockets: files that change, several keys, tokens."""

import asyncio
import base64
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from proxy.admin.state import state
from proxy.core.secrets import conceal
from tests.support.authority import Authority
from tests.support.message import get, post
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import PATIENCE, Connection, RawUpstream, Request

SECRET = "a secret/with+signs"


def answer(status: int, body: bytes = b"", fields: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), fields)
    return head + body


def token(value: str, **fields: Any) -> bytes:
    return answer(
        200, json.dumps({"access_token": value, "token_type": "Bearer", **fields}).encode()
    )


def takes(*accepted: bytes, field: str = "Authorization", status: int = 401) -> Any:
    """An upstream that answers 200 to these values, else with this status."""

    async def judge(connection: Connection, request: Request) -> None:
        good = request.head.value(field) in accepted
        await connection.send(answer(200 if good else status, request.body))

    return ("wait-body", judge)


def shown(upstream: RawUpstream, field: str = "Authorization") -> list[bytes | None]:
    return [request.head.value(field) for request in upstream.requests]


def turn(path: Path, text: str) -> None:
    """Another file under the same name, at once."""
    (path.parent / "new").write_text(text)
    os.replace(path.parent / "new", path)


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await happens():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def oauth2(tmp_path: Path, server: RawUpstream, **more: Any) -> dict[str, Any]:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    table = {
        "token_url": f"{server.url}/oauth2/token?tenant=a",
        "client_id": "side:car",
        "client_secret_file": str(tmp_path / "secret"),
        **more,
    }
    return {"upstream_options": {"credentials": {"oauth2": table}}}


def told(proxy: Proxy) -> dict[str, Any]:
    """The rows of ``/api/state``, by name."""
    rows = state(proxy.runtime.describe())["credentials"]
    return {row["credentials"]: row for row in rows}


async def test_a_401_has_the_file_read_at_once_and_the_request_sent_again(tmp_path: Path) -> None:
    turn(tmp_path / "key", "Bearer one\n")
    tables = {"upstream_options": {"credentials": {"value_file": str(tmp_path / "key")}}}
    async with RawUpstream(takes(b"Bearer one")) as upstream, proxied(upstream, **tables) as proxy:
        assert (await proxy.ask(post(b"hello"))).status == 200
        upstream.play(takes(b"Bearer two"))
        turn(tmp_path / "key", "Bearer two\n")

        async def works() -> bool:
            return (await proxy.ask(post(b"hello"))).status == 200

        await until(works)
        assert shown(upstream)[-1] == b"Bearer two"
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
        async with RawUpstream(script) as upstream, proxied(upstream, **KEYS) as proxy:
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
    async with RawUpstream(script) as upstream, proxied(upstream, **KEYS) as proxy:
        for _ in range(3):
            assert (await proxy.ask(post(b"hello"))).status == 200
        assert len(upstream.requests) == 4
        assert told(proxy)["first"]["refused"] == 1
        assert told(proxy)["first"]["blocked_s"] > 30
        assert told(proxy)["second"]["blocked_s"] == 0


async def test_a_clients_own_key_does_not_go_along() -> None:
    async with RawUpstream() as upstream, proxied(upstream, **KEYS) as proxy:
        await proxy.ask(get(fields=b"x-key: theirs\r\n"))
        assert shown(upstream, "X-Key") == [b"value-of-the-first"]


async def test_a_token_is_asked_for_as_rfc_6749_says_and_shown(tmp_path: Path) -> None:
    async with (
        RawUpstream(("wait-body", token("abc", expires_in=3600))) as server,
        RawUpstream() as upstream,
        proxied(upstream, **oauth2(tmp_path, server, scope="read write")) as proxy,
    ):
        answers = await asyncio.gather(*(proxy.ask(get()) for _ in range(20)))
        assert {each.status for each in answers} == {200}
        assert set(shown(upstream)) == {b"Bearer abc"}
        (asked,) = server.requests
        assert asked.line == b"POST /oauth2/token?tenant=a HTTP/1.1"
        assert asked.head.value("Content-Type") == b"application/x-www-form-urlencoded"
        assert parse_qs(asked.body.decode()) == {
            "grant_type": ["client_credentials"],
            "scope": ["read write"],
        }
        pair = base64.b64decode((asked.head.value("Authorization") or b"").removeprefix(b"Basic "))
        assert pair == b"side%3Acar:a+secret%2Fwith%2Bsigns"  # each form-encoded (2.3.1)
        row = told(proxy)["0"]
        assert (row["usable"], row["renewals"], row["failures"]) == (True, 1, 0)
        assert 3500 < row["expires_s"] <= 3600


async def test_a_client_may_show_its_secret_in_the_body(tmp_path: Path) -> None:
    tables = {"client_auth": "post"}
    async with (
        RawUpstream(("wait-body", token("abc"))) as server,
        RawUpstream() as upstream,
        proxied(upstream, **oauth2(tmp_path, server, **tables)) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
        (asked,) = server.requests
        assert asked.head.value("Authorization") is None
        said = parse_qs(asked.body.decode())
        assert (said["client_id"], said["client_secret"]) == (["side:car"], [SECRET])


async def test_the_token_server_may_have_an_authority_of_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with RawUpstream(("wait-body", token("abc")), tls=authority.server()) as server:
        for tables, status in (({}, 503), ({"ca_file": authority.path("ca.pem")}, 200)):
            async with (
                RawUpstream() as upstream,
                proxied(upstream, **oauth2(tmp_path, server, **tables)) as proxy,
            ):
                assert (await proxy.ask(get())).status == status


async def test_another_authority_of_the_token_server_is_trusted_without_a_restart(
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Authority(tmp_path / "one"), Authority(tmp_path / "two")
    shutil.copy(one.path("ca.pem"), tmp_path / "ca.pem")
    async with RawUpstream(("wait-body", token("abc")), tls=two.server()) as server:
        tables = oauth2(tmp_path, server, ca_file=str(tmp_path / "ca.pem"))
        async with RawUpstream() as upstream, proxied(upstream, **tables) as proxy:
            assert (await proxy.ask(get())).status == 503
            shutil.copy(two.path("ca.pem"), tmp_path / "ca.pem")

            async def works() -> bool:
                return (await proxy.ask(get())).status == 200

            await until(works)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (("wait-body", answer(400, b'{"error": "invalid_client"}')), "400, invalid_client"),
        (("wait-body", answer(200, b"<html>")), "is no JSON object"),
        (("rst",), "reset"),
        (("fin",), "closed"),
        (("wait-body", token("tok", token_type="mac")), "a type other than Bearer"),
        (("wait-body", answer(200, b"x" * 1_000_000)), "is no JSON object"),
    ],
    ids=["refused", "no-json", "reset", "closed", "other-type", "without-end"],
)
async def test_without_a_token_a_request_is_refused_with_503(
    tmp_path: Path, script: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    tables = oauth2(tmp_path, RawUpstream())
    async with RawUpstream(script) as server, RawUpstream() as upstream:
        tables = oauth2(tmp_path, server)
        with caplog.at_level("INFO"):
            async with proxied(upstream, **tables, errors={"details": True}) as proxy:
                response = await proxy.ask(get())
                assert response.status == 503
                assert b"error=destination_unavailable" in (response.value("Proxy-Status") or b"")
                assert int(response.value("Retry-After") or 0) >= 1
                assert b"no token for api (0)" in response.body
                assert why in told(proxy)["0"]["failure"]
        assert not upstream.requests
        assert "no token for api (0)" in caplog.text
        assert SECRET not in conceal(caplog.text)


async def test_a_slow_token_server_is_waited_for(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with (
        RawUpstream(("wait-body", go, token("abc"))) as server,
        RawUpstream() as upstream,
        proxied(upstream, **oauth2(tmp_path, server)) as proxy,
    ):
        asking = asyncio.create_task(proxy.ask(get()))

        async def asked() -> bool:
            return bool(server.requests)

        await until(asked)
        assert not upstream.requests
        go.set()
        assert (await asking).status == 200


async def test_a_token_that_lives_for_seconds_is_renewed_before_its_end(tmp_path: Path) -> None:
    scripts = [("wait-body", token(f"token-{number}", expires_in=2)) for number in range(50)]
    async with (
        RawUpstream(*scripts) as server,
        RawUpstream() as upstream,
        proxied(upstream, **oauth2(tmp_path, server)) as proxy,
    ):

        async def renewed() -> bool:
            assert (await proxy.ask(get())).status == 200
            return len(server.requests) > 2

        await until(renewed)
        assert len(set(shown(upstream))) > 1


async def test_another_secret_in_the_file_is_the_next_that_is_shown(tmp_path: Path) -> None:
    refusal = ("wait-body", answer(401, b'{"error": "invalid_client"}'))
    async with (
        RawUpstream(refusal) as server,
        RawUpstream() as upstream,
        proxied(upstream, **oauth2(tmp_path, server, client_auth="post")) as proxy,
    ):
        assert (await proxy.ask(get())).status == 503
        turn(tmp_path / "secret", "the-new-one")
        server.play(("wait-body", token("abc")))

        async def works() -> bool:
            return (await proxy.ask(get())).status == 200

        await until(works)
        assert parse_qs(server.requests[-1].body.decode())["client_secret"] == ["the-new-one"]


async def test_health_checks_show_what_requests_show() -> None:
    tables = {"upstream_options": {**KEYS["upstream_options"], "health_check": {"path": "/up"}}}
    async with RawUpstream() as upstream, proxied(upstream, **tables):

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
