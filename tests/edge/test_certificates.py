"""Certificates of a listener that change while the proxy runs."""

import contextlib
import errno
import os
import ssl
import subprocess
import threading
import weakref
from pathlib import Path

import pytest

from proxy.core.files import LOOK_EVERY
from proxy.edge import certificates
from proxy.edge.certificates import ListenerTls, listener_context
from proxy.edge.options import CertificateOptions, ServerTlsOptions
from proxy.net import revocation
from tests.support.authority import Authority
from tests.support.garbage import collector_off


def named(authority: Authority) -> CertificateOptions:
    """The certificate of its server."""
    return CertificateOptions(
        cert_file=authority.path("server.pem"), key_file=authority.path("server.key")
    )


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
    clock = [0.0]
    tls = ListenerTls(ServerTlsOptions(certificates=(named(authority),)), lambda: clock[0])
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


@pytest.mark.parametrize("names", [["server"], ["server", "client"]], ids=len)
def test_a_context_that_is_no_more_used_goes_at_once(tmp_path: Path, names: list[str]) -> None:
    """With the authorities of the system it has a megabyte, which waited for the collector."""
    authority = Authority(tmp_path)
    tables = [
        CertificateOptions(
            cert_file=authority.path(f"{name}.pem"), key_file=authority.path(f"{name}.key")
        )
        for name in names
    ]
    with collector_off():
        context = listener_context(ServerTlsOptions(certificates=tuple(tables)))
        still_there = weakref.ref(context)
        del context
        assert still_there() is None


def test_what_chooses_a_certificate_stays_as_long_as_the_connection(tmp_path: Path) -> None:
    """OpenSSL asks it again behind a HelloRetryRequest, and would ask what is gone."""
    with collector_off():
        context = listener_context(ServerTlsOptions(certificates=(named(Authority(tmp_path)),)))
        still_there = weakref.ref(context)
        hello = ssl.MemoryBIO()
        client = ssl.create_default_context()
        asking = client.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="a.test")
        server = context.wrap_bio(hello, ssl.MemoryBIO(), server_side=True)
        for each in (asking, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                each.do_handshake()
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # as one that was chosen
        del context
        assert still_there() is not None
        del server, each
        assert still_there() is None


def test_what_is_wrong_with_a_file_is_said_once_and_it_is_looked_at_again_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    clock = [0.0]
    tls = ListenerTls(ServerTlsOptions(certificates=(named(authority),)), lambda: clock[0])
    first = tls.context()
    Path(authority.path("server.pem")).write_text("nothing")
    for _ in range(3):
        clock[0] += LOOK_EVERY
        assert tls.context() is first
    (record,) = caplog.records
    assert "server.pem" in record.getMessage()
    authority.issue("server", "DNS:other.test")
    clock[0] += LOOK_EVERY
    assert tls.context() is not first


def test_lists_that_could_not_be_read_for_a_while_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would know when they expire, until one of the files changes."""

    def none_left(file: str, now: float) -> float:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), file)

    authority = Authority(tmp_path)
    options = ServerTlsOptions(
        certificates=(named(authority),),
        client_ca_file=authority.revoke(until="20300101000000Z"),
        client_auth="required",
    )
    clock, day = [0.0], 1e9
    with monkeypatch.context() as patched:
        patched.setattr(revocation, "next_expiry", none_left)
        tls = ListenerTls(options, lambda: clock[0], lambda: day)
    first = tls.context()
    clock[0] += LOOK_EVERY
    second = tls.context()
    assert second is not first
    clock[0] += LOOK_EVERY
    assert tls.context() is second


def test_the_same_fault_is_said_again_once_the_files_were_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    clock = [0.0]
    tls = ListenerTls(ServerTlsOptions(certificates=(named(authority),)), lambda: clock[0])
    for number in (1, 2):
        Path(authority.path("server.pem")).write_text("nothing")
        clock[0] += LOOK_EVERY
        tls.context()
        assert len(caplog.records) == number
        authority.issue("server", "DNS:other.test")
        clock[0] += LOOK_EVERY
        tls.context()


@pytest.mark.parametrize("piped", ["cert_file", "key_file", "password_file", "client_ca_file"])
def test_a_pipe_is_read_once_at_the_start(
    tmp_path: Path, piped: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each look opened it anew: there was an error in the log, and whoever wrote there ended."""
    authority = Authority(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    names = {
        "cert_file": authority.path("server.pem"),
        "key_file": authority.path("server.key"),
        "client_ca_file": authority.path("ca.pem"),
    }
    if piped == "password_file":
        locked = str(tmp_path / "locked.key")
        words = ["openssl", "pkey", "-in", names["key_file"], "-aes128", "-passout", "pass:sesame"]
        subprocess.run([*words, "-out", locked], check=True, capture_output=True)
        (tmp_path / "password").write_bytes(b"sesame")
        names |= {"key_file": locked, "password_file": str(tmp_path / "password")}
    data = Path(names[piped]).read_bytes()
    names[piped] = str(pipe)
    authorities = names.pop("client_ca_file")
    options = ServerTlsOptions(
        certificates=(CertificateOptions(**names),),
        client_ca_file=authorities,
        client_auth="required",
    )
    clock = [0.0]
    writing = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    writing.start()
    tls = ListenerTls(options, lambda: clock[0])
    writing.join()
    first = tls.context()
    os.utime(pipe)
    authority.issue("server", "DNS:other.test")
    for _ in range(3):
        clock[0] += LOOK_EVERY
        assert tls.context() is first
    assert not caplog.records


def test_a_list_that_expires_beside_a_pipe_opens_that_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    own = CertificateOptions(cert_file=authority.path("server.pem"), key_file=str(pipe))
    options = ServerTlsOptions(
        certificates=(own,),
        client_ca_file=authority.revoke(until="20300101000000Z"),
        client_auth="required",
    )
    data = Path(authority.path("server.key")).read_bytes()
    clock, day = [0.0], [1e9]
    writing = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    writing.start()
    tls = ListenerTls(options, lambda: clock[0], lambda: day[0])
    writing.join()
    first = tls.context()
    monkeypatch.setattr(certificates, "listener_context", None)
    clock[0], day[0] = LOOK_EVERY, 3e9
    assert tls.context() is first
