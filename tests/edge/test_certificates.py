"""Certificates of a listener that change while the proxy runs."""

import errno
import os
from pathlib import Path

import pytest

from proxy.core.files import LOOK_EVERY
from proxy.edge import certificates
from proxy.edge.certificates import ListenerTls
from proxy.edge.options import CertificateOptions, ServerTlsOptions
from tests.support.authority import Authority


def test_what_could_not_be_read_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing about the files changes when there is a descriptor again."""

    def none_left(options: ServerTlsOptions) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def later() -> object:
        clock[0] += LOOK_EVERY
        return tls.context()

    authority = Authority(tmp_path)
    named = CertificateOptions(
        cert_file=authority.path("server.pem"), key_file=authority.path("server.key")
    )
    clock = [0.0]
    tls = ListenerTls(ServerTlsOptions(certificates=(named,)), lambda: clock[0])
    first = tls.context()
    assert later() is first
    authority.issue("server", "DNS:other.test")
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "listener_context", none_left)
        assert later() is later() is first
    assert len(caplog.records) == 1
    second = later()
    assert second is not first
    assert later() is second


def test_what_is_wrong_with_a_file_is_said_once_and_it_is_looked_at_again_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    named = CertificateOptions(
        cert_file=authority.path("server.pem"), key_file=authority.path("server.key")
    )
    clock = [0.0]
    tls = ListenerTls(ServerTlsOptions(certificates=(named,)), lambda: clock[0])
    first = tls.context()
    Path(named.cert_file).write_text("nothing")
    for _ in range(3):
        clock[0] += LOOK_EVERY
        assert tls.context() is first
    (record,) = caplog.records
    assert "server.pem" in record.getMessage()
    authority.issue("server", "DNS:other.test")
    clock[0] += LOOK_EVERY
    assert tls.context() is not first
