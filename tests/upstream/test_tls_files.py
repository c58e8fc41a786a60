"""Certificates and keys for upstreams that change while the proxy runs."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from proxy.upstream import tls_files
from proxy.upstream.options import UpstreamOptions, UpstreamTlsOptions
from proxy.upstream.tls_files import UpstreamTls
from tests.support.authority import Authority


def options(folder: Path, server: str = "https://api.test") -> UpstreamOptions:
    tls = UpstreamTlsOptions(
        ca_file=str(folder / "ca.pem"),
        cert_file=str(folder / "client.pem"),
        key_file=str(folder / "client.key"),
    )
    return UpstreamOptions(name="api", servers=(server,), tls=tls)


def test_changed_files_give_another_context_and_wrong_ones_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    found = UpstreamTls(options(tmp_path))
    first = found.context
    assert found.may_change
    assert not found.changed()
    authority.issue("client", "DNS:other.test")
    assert found.changed()
    second = found.context
    assert second is not first
    (tmp_path / "client.key").write_text("nothing")
    assert not found.changed()
    assert not found.changed()
    assert found.context is second
    warnings = [each for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1
    shutil.copy(tmp_path / "server.key", tmp_path / "client.key")
    shutil.copy(tmp_path / "server.pem", tmp_path / "client.pem")
    assert found.changed()


def test_where_nothing_can_change_nobody_looks(tmp_path: Path) -> None:
    Authority(tmp_path)
    assert not UpstreamTls(options(tmp_path, "http://api.test")).may_change
    assert not UpstreamTls(UpstreamOptions(name="api", servers=("https://a",))).may_change
    os.mkfifo(tmp_path / "pipe")
    piped = UpstreamTlsOptions(ca_file=str(tmp_path / "pipe"))
    assert not UpstreamTls(UpstreamOptions(name="a", servers=("http://a",), tls=piped)).may_change


def test_what_could_not_be_read_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none_left(options: UpstreamOptions) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    authority = Authority(tmp_path)
    found = UpstreamTls(options(tmp_path))
    first = found.context
    authority.issue("client", "DNS:other.test")
    with monkeypatch.context() as patched:
        patched.setattr(tls_files, "tls_context", none_left)
        assert not found.changed()
        assert not found.changed()
    assert len(caplog.records) == 1
    assert found.changed()
    assert found.context is not first
