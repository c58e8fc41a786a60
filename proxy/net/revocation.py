"""Certificates that their authority has revoked: the lists (CRLs) in a PEM file of authorities.

A file with one list wants one of every authority (OpenSSL's CRL_CHECK_CHAIN, as nginx, HAProxy and
Envoy have it). Python gives no way to ask for that of single authorities: see decision 0066.
"""

import base64
import contextlib
import math
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from proxy.net.der import SEQUENCE, issuer_and_subject, parts

_LIST: Final = re.compile(rb"-----BEGIN X509 CRL-----(.+?)-----END X509 CRL-----", re.DOTALL)
_COMMON_NAME: Final = b"\x06\x03\x55\x04\x03"
"""The type of an attribute, 2.5.4.3, with its tag and its length."""
_TIMES: Final = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""UTCTime and GeneralizedTime, as RFC 5280 4.1.2.5 wants them."""
_SAID: Final = {
    3: "there is no list of revoked certificates (CRL) of its authority",
    11: "the list of revoked certificates (CRL) of its authority is not valid yet",
    12: "the list of revoked certificates (CRL) of its authority has expired",
    23: "its authority has revoked it",
}
"""Of OpenSSL's codes (X509_V_ERR) those about lists."""


class _List(NamedTuple):
    issuer: bytes
    """Its name, in DER."""
    this_update: float
    """When it begins to be valid, in seconds since 1970."""
    next_update: float
    """When it expires, in seconds since 1970; infinite where it does not say."""


def enforce(context: ssl.SSLContext) -> None:
    """Refuse what the lists that were loaded name, and what no list speaks of; see above.

    A chain has to end with a certificate that is signed by itself then. If one in between could be
    its end (``net/trust``), OpenSSL would check the list of the next authority by the wrong key.
    """
    if context.cert_store_stats()["crl"]:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN


def holds_lists(path: str) -> bool:
    """Whether there are lists in a file. Raises OSError."""
    return _LIST.search(Path(path).read_bytes()) is not None


def refusal(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not acceptable, in words; empty where it is not for a list."""
    return _SAID.get(error.verify_code, "")


def next_expiry(path: str, now: float) -> float:
    """When the next list of a file expires; infinite where none will. Raises OSError."""
    times = [each.next_update for each in _lists(Path(path).read_bytes())]
    return min((each for each in times if each > now), default=math.inf)


def doubts(path: str, now: float) -> Iterator[str]:
    """A sentence for each authority in a file whose certificates are all refused.

    Raises OSError, and ssl.SSLError where it holds nothing of use.
    """
    lists = _lists(Path(path).read_bytes())
    if not lists:
        return
    expiries: dict[bytes, float] = {}
    early: dict[bytes, float] = {}
    for each in lists:  # OpenSSL takes the one that is valid
        expiries[each.issuer] = max(each.next_update, expiries.get(each.issuer, -math.inf))
        early[each.issuer] = min(each.this_update, early.get(each.issuer, math.inf))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    what = "list of revoked certificates (CRL)"
    held = context.get_ca_certs(binary_form=True)
    for name in dict.fromkeys(issuer_and_subject(each)[1] for each in held):
        until = expiries.get(name, math.inf)
        if name not in expiries:
            why = f"{path!r} holds no {what} of {_shown(name)}, but one of another authority"
        elif until <= now:
            day = datetime.fromtimestamp(until, UTC)
            why = (
                f"the {what} of {_shown(name)} in {path!r} has expired on {day:%Y-%m-%d %H:%M} UTC"
            )
        elif early[name] > now:
            day = datetime.fromtimestamp(early[name], UTC)
            whose = f"the {what} of {_shown(name)} in {path!r}"
            why = f"{whose} is not valid before {day:%Y-%m-%d %H:%M} UTC"
        else:
            continue
        yield f"{why}: its certificates are refused"


def _lists(pem: bytes) -> list[_List]:
    found = []
    for text in _LIST.findall(pem):
        with contextlib.suppress(ValueError, IndexError):  # it is OpenSSL that refuses a file
            found.append(_read(base64.b64decode(text)))
    return found


def _read(der: bytes) -> _List:
    """Of RFC 5280 5.1: name of the issuer, and after two times what was revoked."""
    inner = parts(parts(parts(der)[0][2])[0][2])
    times = [
        datetime.strptime(content.decode(), _TIMES[tag]).replace(tzinfo=UTC).timestamp()
        for tag, _, content in inner
        if tag in _TIMES
    ]
    _, (_, issuer, _), *_ = (part for part in inner if part[0] == SEQUENCE)
    return _List(issuer, times[0], times[1] if len(times) > 1 else math.inf)


def _shown(name: bytes) -> str:
    """The common name in a name, or else its last part."""
    attributes = [parts(each)[0] for _, _, each in parts(parts(name)[0][2])]
    pairs = [parts(content) for _, _, content in attributes]
    texts = {kind[1]: value[2].decode(errors="replace") for kind, value in pairs}
    return repr(texts.get(_COMMON_NAME) or next(reversed(texts.values()), "an authority"))
