"""Where an upstream is and how it is spoken to."""

import ssl

import pytest

from proxy.upstream.address import Address, origins, tls_context
from proxy.upstream.options import ServerEntry, UpstreamOptions, UpstreamTlsOptions, entries


def endpoint(server: str | ServerEntry = "http://a", **options: object) -> Address:
    upstream = UpstreamOptions(name="api", servers=(server,), **options)  # type: ignore[arg-type]
    return Address(upstream, entries(upstream)[0], tls_context(upstream))


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
    [
        ("auto", None),
        ("preserve", None),
        ("upstream", b"a:1"),
        ("api.example.com", b"api.example.com"),
    ],
)
def test_the_host_field_is_the_clients_the_servers_or_a_name(
    option: str, host: bytes | None
) -> None:
    assert endpoint("http://a:1", host_header=option).host == host


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("https://api.example.com", b"api.example.com"),
        ("https://api.example.com:8443", b"api.example.com:8443"),
        ("https://10.0.0.1", None),
        ("https://[::1]:8443", None),
        ("http://api.example.com", None),
        ("unix:/run/api.sock", None),
    ],
)
def test_a_server_that_is_named_over_https_is_asked_for_by_its_name(
    server: str, host: bytes | None
) -> None:
    assert endpoint(server).host == host


def test_certificates_are_checked_unless_told_otherwise() -> None:
    def context(tls: UpstreamTlsOptions) -> ssl.SSLContext:
        options = UpstreamOptions(name="api", servers=("http://a", "https://b"), tls=tls)
        found = tls_context(options)
        assert found is not None
        return found

    assert context(UpstreamTlsOptions()).verify_mode is ssl.CERT_REQUIRED
    assert context(UpstreamTlsOptions()).check_hostname
    assert context(UpstreamTlsOptions(verify=False)).verify_mode is ssl.CERT_NONE


def test_what_is_trusted_does_not_depend_on_the_version_of_python() -> None:
    context = tls_context(UpstreamOptions(name="api", servers=("https://b",)))
    assert context is not None
    assert ssl.VERIFY_X509_PARTIAL_CHAIN in context.verify_flags
    assert ssl.VERIFY_X509_STRICT not in context.verify_flags


def test_without_https_there_is_no_context() -> None:
    assert tls_context(UpstreamOptions(name="api", servers=("http://a", "unix:/b"))) is None


@pytest.mark.parametrize(
    ("server", "name"),
    [("http://a:1", "a"), ("https://A.b", "a.b"), ("http://127.0.0.1", ""), ("http://[::1]", "")],
)
def test_names_are_looked_up_addresses_are_not(server: str, name: str) -> None:
    assert endpoint(server).lookup == name
    assert endpoint("unix:/run/api.sock").lookup == ""


def test_an_address_of_a_name_keeps_the_names_host_and_certificate() -> None:
    options = UpstreamOptions(
        name="api", servers=("https://api.test:8443",), host_header="upstream"
    )
    found = Address(options, entries(options)[0], tls_context(options), "10.0.0.7")
    assert found.name == "https://10.0.0.7:8443"
    assert found.host == found.authority == b"api.test:8443"
    assert found.template.keywords["server_hostname"] == "api.test"
    assert not found.lookup


def test_another_context_is_for_those_who_are_spoken_to_over_tls() -> None:
    other = ssl.create_default_context()
    encrypted, plain = endpoint("https://a"), endpoint("http://a")
    for address in (encrypted, plain):
        address.use_tls(other)
    assert encrypted.template.keywords["ssl"] is other
    assert plain.template.keywords["ssl"] is True


@pytest.mark.parametrize(
    ("header", "server", "called"),
    [
        ("preserve", "unix:/run/api.sock", []),
        ("upstream", "unix:/run/api.sock", ["http://localhost"]),
        ("api.internal", "unix:/run/api.sock", ["http://api.internal"]),
        ("api.internal", "https://a", ["https://a", "https://api.internal"]),
        ("upstream", "http://a", ["http://a"]),
    ],
)
def test_a_server_calls_itself_by_its_address_and_by_what_it_is_asked_for(
    header: str, server: str, called: list[str]
) -> None:
    options = UpstreamOptions(name="api", servers=(server,), host_header=header)
    assert origins(options) == called
