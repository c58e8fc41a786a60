"""What is needed of ASN.1 in DER (X.690), to read certificates and lists of revoked ones."""

from typing import Final

SEQUENCE: Final = 0x30
_LONG: Final = 0x80


def parts(der: bytes) -> list[tuple[int, bytes, bytes]]:
    """Tag, whole and content of each element (X.690 8.1)."""
    found: list[tuple[int, bytes, bytes]] = []
    at = 0
    while at < len(der):
        size, start = der[at + 1], at + 2
        if size >= _LONG:
            start += size - _LONG
            size = int.from_bytes(der[at + 2 : start], "big")
        found.append((der[at], der[at : start + size], der[start : start + size]))
        at = start + size
    return found


def issuer_and_subject(certificate: bytes) -> tuple[bytes, bytes]:
    """Both names (RFC 5280 4.1), in DER. Raises IndexError or ValueError where it is none."""
    inner = parts(parts(parts(certificate)[0][2])[0][2])
    _, issuer, _, subject, *_ = (whole for tag, whole, _ in inner if tag == SEQUENCE)
    return issuer, subject


def kind_of_key(certificate: bytes) -> bytes:
    """Which algorithm its key is of, RSA or elliptic curves for instance (RFC 5280 4.1.2.7).

    An object identifier in DER. Raises IndexError or ValueError where it is no certificate.
    """
    inner = parts(parts(parts(certificate)[0][2])[0][2])
    key = [content for tag, _, content in inner if tag == SEQUENCE][4]
    return parts(parts(key)[0][2])[0][1]
