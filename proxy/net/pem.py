"""Certificates and keys from PEM files: what is wrong with one is said in words, with its file.

What OpenSSL says of a file is ``[X509] PEM lib``, whatever is wrong with it.
"""

import re
import ssl
from pathlib import Path
from typing import Final

from proxy.net.revocation import enforce

_CERTIFICATE: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----\s*$", re.MULTILINE
)
_KEY: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*$", re.MULTILINE
)
_ENCRYPTED: Final = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")
_NOT_THE_KEY: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""The last one where they are of two kinds, such as RSA and EC."""
_STRONGER: Final = "expected RSA of 2048 bits or more, or an elliptic curve of 224 or more"
_WEAK: Final = {
    "EE_KEY_TOO_SMALL": f"its key is too small, {_STRONGER}",
    "CA_KEY_TOO_SMALL": f"the key of an authority in its chain is too small, {_STRONGER}",
    "CA_MD_TOO_WEAK": "its chain is signed by way of MD5 or SHA-1, expected SHA-256 or better",
}
_UNREADABLE: Final = ("PEM lib", "ASN1 lib")
_DAMAGED: Final = "it is damaged, what stands between a BEGIN and its END cannot be read"
_REASON: Final = re.compile(r"\[[^\]]*\] (.*) \(_ssl\.c:\d+\)")


class UnusableFile(ValueError):
    """A sentence about a file, and the option that names it."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


def load_authorities(context: ssl.SSLContext, path: str, option: str, read_from: str = "") -> None:
    """Trust the certificates in a file, but for those that lists (CRLs) in it name.

    Raises OSError or UnusableFile. ``read_from``: another name of the file, by which OpenSSL can
    read it.
    """
    try:
        context.load_verify_locations(read_from or path)
    except ssl.SSLError as error:
        raise authorities_fault(path, option, error) from None
    use_revocations(context, path, option)


def use_revocations(context: ssl.SSLContext, path: str, option: str) -> None:
    """Refuse what lists in this file name, which has been loaded. Raises UnusableFile."""
    if not context.cert_store_stats()["x509"]:  # lists alone
        raise UnusableFile(option, f"no certificates in {path!r}: {_expected('CERTIFICATE')}")
    enforce(context)


def authorities_fault(path: str, option: str, error: ssl.SSLError) -> UnusableFile:
    """Why the certificates in a file cannot be trusted. Raises OSError."""
    without = Path(path).is_file() and not _CERTIFICATE.search(Path(path).read_bytes())
    why = _expected("CERTIFICATE") if without else _said(error)
    return UnusableFile(option, f"no certificates in {path!r}: {why}")


def load_pair(
    context: ssl.SSLContext,
    cert_file: str,
    key_file: str,
    password: bytes,
    password_file: str,
    *,
    read_from: tuple[str, str] | None = None,
) -> None:
    """Show this certificate. Raises OSError or UnusableFile.

    ``read_from``: other names of certificate and key, by which OpenSSL can read them. An encrypted
    key without a password is an error, not a question on the terminal.
    """
    shown, own = read_from or (cert_file, key_file)
    try:
        context.load_cert_chain(shown, own or shown, password=password)
    except ssl.SSLError as error:
        raise _fault(cert_file, key_file, password_file, error) from None
    except OSError:
        for path in (shown, own or shown):  # OpenSSL does not say which it could not open
            with open(path, "rb"):
                pass
        raise


def _fault(cert_file: str, key_file: str, password_file: str, error: ssl.SSLError) -> UnusableFile:
    key, option = (key_file, "key_file") if key_file else (cert_file, "cert_file")
    if not (Path(cert_file).is_file() and Path(key).is_file()):  # a pipe has been read already
        return _other(cert_file, key, error)
    if not _CERTIFICATE.search(Path(cert_file).read_bytes()):
        said = f"no certificate in {cert_file!r}: {_expected('CERTIFICATE')}"
        return UnusableFile("cert_file", said)
    content = Path(key).read_bytes()
    if not _KEY.search(content):
        beside = "" if key_file else ", or key_file beside it"
        return UnusableFile(option, f"no key in {key!r}: {_expected('PRIVATE KEY')}{beside}")
    if _reason(error) in _NOT_THE_KEY:
        return UnusableFile(option, _mismatch(cert_file, key))
    if _reason(error) in _WEAK or not _is_readable(cert_file):
        return _other(cert_file, key, error)
    if _ENCRYPTED.search(content):
        if not password_file:
            said = f"the key in {key!r} is encrypted: expected password_file beside it"
            return UnusableFile(option, said)
        said = f"the password in {password_file!r} does not open the key in {key!r}"
        return UnusableFile("password_file", said)
    if (said := _said(error)) == _DAMAGED:
        return UnusableFile(option, f"cannot use the key in {key!r}: {said}")
    return _other(cert_file, key, error)


def _mismatch(cert_file: str, key: str) -> str:
    said = f"the key in {key!r} is not that of the certificate in {cert_file!r}"
    if len(_CERTIFICATE.findall(Path(cert_file).read_bytes())) > 1:
        said += ": the certificate of the key stands first in the file, its authorities follow"
    return said


def _is_readable(cert_file: str) -> bool:
    """Whether OpenSSL can read all the certificates in it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert_file)
    except ssl.SSLError:
        return False
    return True


def _other(cert_file: str, key: str, error: ssl.SSLError) -> UnusableFile:
    said = f"cannot use the certificate in {cert_file!r} with the key in {key!r}: {_said(error)}"
    return UnusableFile("cert_file", said)


def _expected(what: str) -> str:
    return f'expected PEM, with a line "-----BEGIN {what}-----"'


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's name for it; empty where it was not OpenSSL that said it, or it has none."""
    return getattr(error, "reason", None) or ""


def _said(error: ssl.SSLError) -> str:
    """OpenSSL's words, without the line of its C."""
    found = _REASON.fullmatch(str(error))
    said = _WEAK.get(_reason(error)) or (found[1] if found else str(error))
    return _DAMAGED if said in _UNREADABLE else said
