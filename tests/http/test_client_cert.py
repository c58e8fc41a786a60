"""What an upstream is told of a client's certificate."""

import pytest

from proxy.http.client_cert import client_cert_fields, distinguished_name, names_client_cert


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ([(("commonName", "alice"),)], b"CN=alice"),
        ([(("countryName", "DE"),), (("commonName", "a"), ("userId", "7"))], b"CN=a+UID=7,C=DE"),
        ([(("organizationName", 'A, "B" <c>; d\\e+f'),)], b'O=A\\, \\"B\\" \\<c\\>\\; d\\\\e\\+f'),
        ([(("commonName", " a "),)], b"CN=\\ a\\ "),
        ([(("commonName", "#1"),)], b"CN=\\#1"),
        ([(("commonName", "Zoë\r\nX: y\x7f"),)], b"CN=Zo\\C3\\AB\\0D\\0AX: y\\7F"),
        ([(("domainComponent", "test"),), (("domainComponent", "a"),)], b"DC=a,DC=test"),
        ([(("emailAddress", "a@b"),)], b"emailAddress=a@b"),
        ([], b""),
    ],
)
def test_a_subject_is_written_as_rfc_4514_has_it(subject: object, text: bytes) -> None:
    assert distinguished_name(subject) == text  # type: ignore[arg-type]


def test_a_certificate_is_bytes_of_structured_fields() -> None:
    fields = client_cert_fields(b"\x30\x82", [(("commonName", "a"),)])
    assert fields == [(b"Client-Cert", b":MII=:"), (b"X-Client-Cert-Subject", b"CN=a")]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        (b"Client-Cert", True),
        (b"client_cert", True),
        (b"CLIENT-CERT-CHAIN", True),
        (b"X_Client-Cert_Subject", True),
        (b"x-client-cert-subject", True),
        (b"X-Client-Certificate", False),
        (b"Content-Type", False),
    ],
)
def test_its_fields_are_known_however_they_are_spelled(name: bytes, known: bool) -> None:
    assert names_client_cert(name) is known
