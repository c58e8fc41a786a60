"""Who may connect to a unix socket is an option, and what its clients say can be believed."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from proxy.run.reasons import CannotListen, CannotReload, CannotStart
from proxy.run.sockets.listener import Listener
from tests.support.message import get
from tests.support.proxy import fronted, proxied


@pytest.mark.parametrize(("mode", "bits"), [("", 0o660), ("0600", 0o600), ("666", 0o666)])
async def test_the_mode_is_what_the_file_says(tmp_path: Path, mode: str, bits: int) -> None:
    path = tmp_path / "proxy.sock"
    server = {"listen": f"unix:{path}"} | ({"unix_mode": mode} if mode else {})
    before = os.umask(0)
    os.umask(before)
    async with fronted(server=server) as (_, proxy):
        assert stat.S_IMODE(path.stat().st_mode) == bits
        assert (await proxy.ask(get())).status == 200
    assert os.umask(before) == before


async def test_the_owner_is_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    group = os.getgid()
    server = {"listen": f"unix:{path}", "unix_owner": f"{os.getuid()}:{group}"}
    async with fronted(server=server) as (_, _):
        assert (path.stat().st_uid, path.stat().st_gid) == (os.getuid(), group)


async def test_the_admin_socket_has_the_same(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    async with fronted(server={"unix_mode": "0600"}, admin={"listen": f"unix:{path}"}) as (_, _):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_trusted_proxy_on_a_unix_socket_is_believed(tmp_path: Path) -> None:
    server = {"listen": f"unix:{tmp_path / 'proxy.sock'}", "trusted_proxies": ["unix"]}
    said = [b"X-Forwarded-For: 192.0.2.7", b"X-Forwarded-Proto: https"]
    request = b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *said, b"", b""])
    async with fronted(server=server) as (upstream, proxy):
        assert (await proxy.ask(request)).status == 200
        head = upstream.requests[0].head
        assert head.value("X-Forwarded-For") == b"192.0.2.7"
        assert head.value("X-Forwarded-Proto") == b"https"
        assert (await proxy.record()).client == "192.0.2.7"


async def test_without_trust_it_is_not(tmp_path: Path) -> None:
    server = {"listen": f"unix:{tmp_path / 'proxy.sock'}"}
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
    async with fronted(server=server) as (upstream, proxy):
        assert (await proxy.ask(request)).status == 200
        assert upstream.requests[0].head.value("X-Forwarded-For") is None
        assert (await proxy.record()).client == ""


async def test_a_listener_that_cannot_be_had_leaves_the_path_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    server = {"listen": f"unix:{path}"}
    async with fronted(server=server) as (upstream, proxy):
        with pytest.raises(
            CannotStart, match="somebody listens on that socket by this proxy itself"
        ):
            async with proxied(upstream, server=server):
                pass
        assert (await proxy.ask(get())).status == 200


@pytest.mark.parametrize(
    ("name", "reason"), [("none/a.sock", "there is no folder"), ("file", "that is no socket")]
)
async def test_why_a_socket_cannot_be_had_is_said(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_text("")
    address = f"unix:{tmp_path / name}"
    with pytest.raises(CannotListen, match=reason) as caught:
        await Listener(address).open(lambda: None)  # type: ignore[arg-type, return-value]
    assert address in str(caught.value)
    assert (tmp_path / "file").read_text() == ""


async def test_other_rights_count_for_all_sockets_from_a_reload_on(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("proxy.sock", "admin.sock", "probes.sock")]
    data, admin, probes = (f"unix:{path}" for path in paths)
    tables = {"admin": {"listen": admin, "probes": probes}}
    async with fronted(server={"listen": data, "unix_mode": "0666"}, **tables) as (_, proxy):
        await proxy.reload(server={"listen": data, "unix_mode": "0600"}, **tables)
        assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600] * 3


@pytest.mark.parametrize("last", ["owner", "address"])
async def test_a_reload_that_cannot_give_a_socket_away_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """Nor does one that fails at something else behind that."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "chown", refuse)
    paths = [tmp_path / name for name in ("proxy.sock", "admin.sock")]
    data, admin = (f"unix:{path}" for path in paths)
    server: dict[str, Any] = {"listen": data, "unix_mode": "0666"}
    changed = {"unix_mode": "0600", "unix_owner": str(os.getuid() + 1)}
    reason = "cannot change unix:.*proxy.sock: this process may not give the socket to"
    if last == "address":
        changed = {"unix_mode": "0600"}
        reason = "cannot listen on unix:.*no/probes.sock"
    tables: dict[str, Any] = {"admin": {"listen": admin}}
    probes = {"probes": f"unix:{tmp_path}/no/probes.sock"} if last == "address" else {}
    async with fronted(server=server, **tables) as (_, proxy):
        for _ in range(2):
            with pytest.raises(CannotReload, match=reason):
                await proxy.reload(server=server | changed, admin={"listen": admin, **probes})
            assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o666] * 2
        assert (await proxy.ask(get())).status == 200
