"""What an upstream is told of a client's certificate: Client-Cert (RFC 9440), and its subject."""

import base64
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from proxy.http.fields import DASHED, Fields

Subject: TypeAlias = Sequence[Sequence[tuple[str, str]]]
"""Relative distinguished names, as ``SSLSocket.getpeercert`` has them: the widest first."""

CLIENT_CERT: Final = b"Client-Cert"
SUBJECT: Final = b"X-Client-Cert-Subject"
_NAMES: Final = frozenset({b"client-cert", b"client-cert-chain", b"x-client-cert-subject"})
_INITIALS: Final = frozenset(b"cCxX")
_SHORT: Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""RFC 4514 3."""
_SPECIAL: Final = re.compile(r'[",+;<>\\]|^[ #]| $')


def names_client_cert(name: bytes) -> bool:
    """Whether a field says which certificate a client has, however it is spelled."""
    return name[0] in _INITIALS and DASHED[name] in _NAMES


def client_cert_fields(certificate: bytes, subject: Subject) -> Fields:
    """The fields for a certificate, as DER, that was verified."""
    return [
        (CLIENT_CERT, b":%b:" % base64.b64encode(certificate)),
        (SUBJECT, distinguished_name(subject)),
    ]


def distinguished_name(subject: Subject) -> bytes:
    """The string of RFC 4514: the narrowest name first, as nginx and OpenSSL write it."""
    names = [b"+".join(_pair(kind, value) for kind, value in each) for each in subject]
    return b",".join(reversed(names))


def _pair(kind: str, value: str) -> bytes:
    escaped = _SPECIAL.sub(lambda found: "\\" + found[0], value)
    text = "".join(
        letter if " " <= letter <= "~" else "".join(f"\\{byte:02X}" for byte in letter.encode())
        for letter in escaped
    )
    return f"{_SHORT.get(kind, kind)}={text}".encode()
