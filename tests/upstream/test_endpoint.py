"""Where an upstream is and how it is spoken to."""

import ssl
from pathlib import Path

import pytest

from proxy.upstream.endpoint import (
    CredentialsOptions,
    Endpoint,
    ServerEntry,
    UpstreamOptions,
    UpstreamTlsOptions,
    tls_context,
)


def endpoint(server: str | ServerEntry = "http://a", **options: object) -> Endpoint:
    return Endpoint(UpstreamOptions(name="api", servers=(server,), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "authority"),
    [
        ("http://a", b"a"),
        ("http://a:80", b"a"),
        ("http://a:8080", b"a:8080"),
        ("https://a:443", b"a"),
        ("https://a:80", b"a:80"),
        ("http://[::1]:9000", b"[::1]:9000"),
        ("unix:/run/api.sock", b"localhost"),
        (ServerEntry(url="http://b:1"), b"b:1"),
    ],
)
def test_the_authority_is_that_of_the_address(server: str | ServerEntry, authority: bytes) -> None:
    assert endpoint(server).authority == authority


@pytest.mark.parametrize(
    ("option", "host"),
    [("preserve", None), ("upstream", b"a:1"), ("api.example.com", b"api.example.com")],
)
def test_the_host_field_is_the_clients_the_servers_or_a_name(
    option: str, host: bytes | None
) -> None:
    assert endpoint("http://a:1", host_header=option).host == host


@pytest.mark.parametrize("text", ["Bearer x", "Bearer x\n", "Bearer x\r\n"])
def test_credentials_come_from_a_file_without_its_line_break(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_bytes(text.encode())
    options = CredentialsOptions(value_file=str(tmp_path / "token"))
    assert endpoint(credentials=options).credentials == (b"Authorization", b"Bearer x")


def test_credentials_may_stand_in_the_file_itself() -> None:
    options = CredentialsOptions(header="X-Key", value="secret")
    assert endpoint(credentials=options).credentials == (b"X-Key", b"secret")
    assert endpoint().credentials is None


def test_certificates_are_checked_unless_told_otherwise() -> None:
    assert tls_context(UpstreamTlsOptions()).verify_mode is ssl.CERT_REQUIRED
    assert tls_context(UpstreamTlsOptions()).check_hostname
    assert tls_context(UpstreamTlsOptions(verify=False)).verify_mode is ssl.CERT_NONE
