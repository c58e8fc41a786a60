"""Probes have an address of their own, and no page of another site reads the admin listener."""

from pathlib import Path

import pytest

from proxy.config.load import ConfigError, from_upstream
from proxy.run.reasons import CannotStart
from proxy.run.runtime import Runtime
from tests.support.client import ask
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

ADMIN = {"listen": "127.0.0.1:0", "probes": "127.0.0.1:0", "hosts": ["ops.example"]}


def request(path: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: 127.0.0.1:9901"],
        ["Host: [::1]:9901"],
        ["Host: 10.1.2.3"],
        ["Host: localhost:9901"],
        ["Host: LOCALHOST."],
        ["Host: a.localhost"],
        ["Host: ops.example:443"],
        ["Host: 127.0.0.1:9901", "Origin: http://127.0.0.1:9901"],
        ["Host: 127.0.0.1:9901", "Origin: https://ops.example"],
    ],
)
async def test_the_operators_own_requests_are_answered(lines: list[str]) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        for path in ("/api/state", "/healthz", "/readyz"):
            assert (await ask(proxy.admin, request(path, *lines))).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: evil.example"],
        ["Host: evil.example:9901"],
        ["Host: evil"],
        ["Host: localhost.evil.example"],
        ["Host: 127.0.0.1.evil.example"],
        ["Host: xlocalhost"],
        ["Host: x.ops.example"],
        ["Host: 127.0.0.1:9901", "Origin: http://evil.example"],
        ["Host: 127.0.0.1:9901", "Origin: http://127.0.0.1:3000"],
        ["Host: 127.0.0.1:9901", "Origin: http://10.0.0.1:9901"],
        ["Host: localhost:9901", "Origin: null"],
        ["Host: localhost:9901", "Origin: file://"],
        ["Host: localhost:9901", "Origin: "],
    ],
)
async def test_a_foreign_host_or_origin_is_refused(lines: list[str]) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        for path in ("/api/state", "/healthz", "/nothing"):
            response = await ask(proxy.admin, request(path, *lines))
            assert response.status == 403
            assert b"servers" not in response.body


async def test_a_client_of_old_needs_no_host() -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        assert (await ask(proxy.admin, request("/healthz", version="1.0"))).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/readyz", 200), ("/api/state", 404), ("/metrics", 404), ("/", 404)],
)
async def test_the_listener_for_probes_shows_nothing_else(path: str, status: int) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        assert (await ask(proxy.probes, request(path, "Host: any.name"))).status == status


async def test_probes_fail_their_readiness_while_the_proxy_drains() -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        proxy.runtime.ready = False
        assert (await ask(proxy.probes, request("/readyz", "Host: a"))).status == 503
        assert (await ask(proxy.probes, request("/healthz", "Host: a"))).status == 200


async def test_without_the_option_there_is_no_such_listener() -> None:
    admin = {"listen": "127.0.0.1:0"}
    async with fronted(admin=admin) as (_, proxy):
        assert proxy.probes == ""


LINK = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Sec-Fetch-Site: same-origin"], 200),
        (["Sec-Fetch-Site: none"], 200),
        (["Sec-Fetch-Site: cross-site", *LINK], 200),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Sec-Fetch-Site: same-site"], 403),
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"], 403),
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"], 403),
    ],
    ids=["own page", "typed", "link", "fetch", "other port", "image", "frame"],
)
async def test_what_a_browser_says_of_its_page_is_heard(lines: list[str], status: int) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        asked = request("/api/state", "Host: localhost", *lines)
        assert (await ask(proxy.admin, asked)).status == status


def changing(*lines: str) -> bytes:
    head = ["PUT /api/log HTTP/1.1", "Content-Length: 2", *lines, "", ""]
    return "\r\n".join(head).encode() + b"{}"


async def test_a_link_changes_nothing() -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        asked = changing("Host: localhost", "Sec-Fetch-Site: cross-site", *LINK)
        assert (await ask(proxy.admin, asked)).status == 403


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "0", "LOCALHOST:0"])
async def test_on_loopback_no_token_is_asked_for(tmp_path: Path, listen: str) -> None:
    (tmp_path / "token").write_text("secret")
    options = {"listen": listen, "token_file": str(tmp_path / "token")}
    async with fronted(admin=options) as (_, proxy):
        assert (await ask(proxy.admin, changing("Host: localhost"))).status == 400  # the body is


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("Bearer secret", 400),
        ("bearer secret", 400),
        ("Bearer wrong", 401),
        ("Bearer ", 401),
        ("Basic secret", 401),
        ("", 401),
    ],
)
async def test_elsewhere_what_changes_something_needs_the_token(
    tmp_path: Path, given: str, status: int
) -> None:
    (tmp_path / "token").write_text("secret\n")
    options = {"listen": "0.0.0.0:0", "token_file": str(tmp_path / "token")}
    async with fronted(admin=options) as (_, proxy):
        where = ("127.0.0.1", int(proxy.runtime.admin.rpartition(":")[2]))
        assert (await ask(where, request("/api/log", "Host: localhost"))).status == 200
        response = await ask(where, changing("Host: localhost", f"Authorization: {given}"))
        assert response.status == status
        if status == 401:
            assert response.value("WWW-Authenticate") == b"Bearer"
        (tmp_path / "token").write_text("other")
        again = await ask(where, changing("Host: localhost", f"Authorization: {given}"))
        assert again.status == 401
        assert (
            await ask(where, changing("Host: localhost", "Authorization: Bearer other"))
        ).status == 400


async def test_elsewhere_nothing_is_changed_without_a_token_file() -> None:
    async with fronted(admin={"listen": "0.0.0.0:0"}) as (_, proxy):
        where = ("127.0.0.1", int(proxy.runtime.admin.rpartition(":")[2]))
        response = await ask(where, changing("Host: localhost", "Authorization: Bearer "))
        assert response.status == 403
        assert b"token_file" in response.body


async def test_a_token_file_that_is_not_there_keeps_the_proxy_from_starting(
    tmp_path: Path,
) -> None:
    options = {**ADMIN, "token_file": "/nowhere/token"}
    async with RawUpstream() as upstream:
        with pytest.raises(ConfigError, match=r"admin\.token_file: .*/nowhere/token"):
            async with proxied(upstream, admin=options):
                pass
    token = tmp_path / "token"
    token.write_text("secret")
    config = from_upstream("http://a", sets=[f'admin={{token_file="{token}"}}'])
    token.unlink()  # after it was checked
    with pytest.raises(CannotStart, match=str(token)):
        await Runtime(config).open()


async def test_a_token_file_that_is_emptied_keeps_its_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    options = {"listen": "0.0.0.0:0", "token_file": str(token)}
    async with fronted(admin=options) as (_, proxy):
        where = ("127.0.0.1", int(proxy.runtime.admin.rpartition(":")[2]))
        for text in ("\n", None):
            token.unlink() if text is None else token.write_text(text)
            for given, status in (("secret", 400), ("", 401)):
                asked = changing("Host: localhost", f"Authorization: Bearer {given}")
                assert (await ask(where, asked)).status == status
        warnings = [each for each in caplog.records if "was not taken over" in each.getMessage()]
        assert len(warnings) == 2


async def test_the_authority_of_a_whole_url_counts() -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        for authority, status in (("evil.example", 403), ("127.0.0.1:9901", 200)):
            line = request(f"http://{authority}/api/state", "Host: 127.0.0.1:9901")
            assert (await ask(proxy.admin, line)).status == status


async def test_a_second_word_of_a_browser_is_heard_too() -> None:
    lines = ["Host: localhost", "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"]
    async with fronted(admin=ADMIN) as (_, proxy):
        assert (await ask(proxy.admin, request("/api/state", *lines))).status == 403
