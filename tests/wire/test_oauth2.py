"""Access tokens of a token server, over sockets (RFC 6749)."""

import asyncio
import base64
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from proxy.core.redaction import conceal
from tests.support.authority import Authority
from tests.support.credentials import SECRET, answer, oauth2, shown, token, told, turn, until
from tests.support.message import get
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream


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
        assert base64.b64encode(pair).decode() not in conceal(f"x {base64.b64encode(pair)!r} y")
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
            async with fronted(**oauth2(tmp_path, server, **tables)) as (_, proxy):
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
        async with fronted(**tables) as (_, proxy):
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


async def test_a_token_outlives_a_reload_that_changes_the_upstream(tmp_path: Path) -> None:
    async with (
        RawUpstream(("wait-body", token("abc", expires_in=3600))) as server,
        RawUpstream() as upstream,
    ):
        table = oauth2(tmp_path, server)["upstream_options"]
        options = {"servers": [upstream.url], **table}
        async with proxied(upstream, upstream_options=options) as proxy:
            assert (await proxy.ask(get())).status == 200
            server.play(("wait-body", answer(500)))
            report = await proxy.reload(upstream_options={**options, "limit": 50})
            assert "upstream api (limit)" in report.changed
            assert (await proxy.ask(get())).status == 200
        assert set(shown(upstream)) == {b"Bearer abc"}
        assert len(server.requests) == 1


async def test_a_token_outlives_a_reload_that_brings_another_key(tmp_path: Path) -> None:
    async with (
        RawUpstream(("wait-body", token("abc", expires_in=3600))) as server,
        RawUpstream() as upstream,
    ):
        table = oauth2(tmp_path, server)["upstream_options"]["credentials"]
        first, second = {"name": "a", **table}, {"name": "b", "value": "Bearer b"}
        options = {"servers": [upstream.url], "credentials": [first]}
        async with proxied(upstream, upstream_options=options) as proxy:
            assert (await proxy.ask(get())).status == 200
            server.play(("wait-body", answer(500)))
            await proxy.reload(upstream_options={**options, "credentials": [second, first]})
            for _ in range(4):
                assert (await proxy.ask(get())).status == 200
            assert told(proxy)["a"]["requests"] == 3  # the ones before the reload included
            await proxy.reload(upstream_options={**options, "credentials": [second]})
            assert (await proxy.ask(get())).status == 200
        assert set(shown(upstream)) == {b"Bearer abc", b"Bearer b"}
        assert len(server.requests) == 1


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
