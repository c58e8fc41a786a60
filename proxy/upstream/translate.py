"""The network's errors become ours here and nowhere else.

What they were before stays with a connection or a parser; it lets go of the frames it went through.
"""

import asyncio
import errno
import re
import ssl
from typing import Final, NamedTuple

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
)

from proxy.core.errors import (
    CertificateInvalid,
    ClientCertificateRefused,
    ConnectFailed,
    ConnectionTerminated,
    ConnectTimeout,
    LookupTimeout,
    NameUnknown,
    ProtocolViolation,
    ProxyError,
    ReplyBroken,
    ReplyHeadTooLarge,
    Stage,
    TlsBroken,
    TlsFailed,
    UpstreamError,
    forget_frames,
)
from proxy.core.local_limits import local_limit
from proxy.core.words import in_seconds, plain


class Place(NamedTuple):
    """Where a connection was to go."""

    name: str
    """As the configuration has it."""
    host: str
    port: int
    patience: float
    """Seconds, ``[timeouts] connect``; zero for no end."""


UNKNOWN: Final = Place("the upstream", "", 0, 0.0)
_TOO_EARLY: Final = re.compile("ended too early|transfer length")
_UNKNOWN_AUTHORITY: Final = re.compile("self-signed|self signed|unable to get (?:local )?issuer")
_RECEIVED: Final = re.compile(r"received (\d+) of (\d+) bytes")
_OUR_CERTIFICATE: Final = re.compile(
    "ALERT_((?:BAD_|UNSUPPORTED_)CERTIFICATE"
    "|CERTIFICATE_(?:REQUIRED|REVOKED|EXPIRED|UNKNOWN)|UNKNOWN_CA|ACCESS_DENIED)$"
)
"""Alerts of a server that are about the certificate of its client (RFC 8446 6.2), as OpenSSL names
them behind the version of TLS."""
_LOST: Final = frozenset(
    {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
)
"""Ends of a connection whose peer has acknowledged nothing for long (tcp(7)): the kernel says what
it has last heard of the way."""
_HANDSHAKE_CUT = frozenset({errno.ECONNRESET, errno.EPIPE, None})


def connect_error(
    error: Exception, *, tls: bool, looking_up: bool, place: Place = UNKNOWN
) -> UpstreamError:
    """What kept us from getting a connection; nothing was sent. ``place``: where it was to go."""
    forget_frames(error)
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    if (ours := local_limit(cause, (place.host, place.port))) is not None:
        return ours
    name, why = place.name, reason(cause)
    if isinstance(error, ClientConnectorDNSError):
        return NameUnknown(f"the name {place.host} of {name} could not be looked up: {why}")
    if isinstance(error, asyncio.TimeoutError):
        within = (
            f" within connect of {in_seconds(place.patience)}" if place.patience else " in time"
        )
        if looking_up:
            return LookupTimeout(f"the name {place.host} of {name} was not looked up{within}")
        what = "TCP or TLS connection" if tls else "connection"
        return ConnectTimeout(f"no {what} to {name}{within}")
    if isinstance(error, ClientConnectorCertificateError):
        why = reason(error.certificate_error)
        if _UNKNOWN_AUTHORITY.search(why):
            why += "; [upstreams.tls] ca_file names the authorities to trust"
        return CertificateInvalid(f"the certificate of {name} is not acceptable: {why}")
    cut = isinstance(error, ClientConnectorError) and error.os_error.errno in _HANDSHAKE_CUT
    if (refused := _certificate_refused(cause, name)) is not None:
        return ClientCertificateRefused(refused)
    if isinstance(error, ClientConnectorSSLError) or (tls and cut):
        return TlsFailed(f"the TLS handshake with {name} failed: {why}")
    if isinstance(cause, ConnectionRefusedError):
        return ConnectFailed(f"{name} refused the connection")
    return ConnectFailed(f"{name} cannot be reached: {why}")


def head_error(
    error: Exception, *, stage: Stage, name: str = "the upstream", first: bool = False
) -> ProxyError:
    """What came instead of a reply's head. ``name``: of the server.

    ``first``: whether nothing came on the connection before. A server of TLS 1.3 looks at our
    certificate when the handshake is over for us, and reads no request if it is wrong.
    """
    forget_frames(error)
    if isinstance(error, ssl.SSLError):
        refused = _certificate_refused(error, name)
        if refused is not None and first:
            return ClientCertificateRefused(refused)
        broken = f"{name} ended TLS before it replied: {reason(error)}"
        return TlsBroken(refused or broken, stage=stage)
    if isinstance(error, ProxyError):
        if isinstance(error, UpstreamError):
            error.stage = stage
        if isinstance(error, ProtocolViolation):
            error.detail = f"the reply of {name} is not valid HTTP: {error.detail}"
        elif isinstance(error, ReplyHeadTooLarge):
            error.detail = f"the head of the reply of {name} {error.detail}"
        return error
    how = "reset the connection" if _is_reset(error) else "closed the connection"
    if is_lost(error):
        how = "could no longer be reached"
    return ConnectionTerminated(f"{name} {how} before it replied", stage=stage)


def body_error(error: Exception) -> ProxyError:
    """What came instead of the rest of a reply's body."""
    forget_frames(error)
    if isinstance(error, ProxyError):
        return error
    if isinstance(error, ssl.SSLError):
        why = reason(error)
        return ReplyBroken(f"the upstream ended TLS before the end of its reply: {why}")
    text = str(error)
    lost, reset = is_lost(error), _is_reset(error)
    how = "cut its reply by a reset" if reset else "closed the connection"
    if lost:
        how = "could no longer be reached"
    if (found := _RECEIVED.search(text)) is not None:
        return ReplyBroken(f"the upstream {how} after {found[1]} of {found[2]} bytes of its reply")
    if lost or reset or isinstance(error, ConnectionError) or _TOO_EARLY.search(text):
        return ReplyBroken(f"the upstream {how} before the end of its reply")
    why = plain(first_line(text)) or "no reason given"
    return ReplyBroken(f"the upstream broke the framing of its reply: {why}")


def _certificate_refused(error: BaseException, name: str) -> str | None:
    """A sentence, where an alert is about the certificate that we show, or do not show."""
    found = _OUR_CERTIFICATE.search(getattr(error, "reason", None) or "")
    if found is None or not isinstance(error, ssl.SSLError):
        return None
    if found[1] == "CERTIFICATE_REQUIRED":
        return f"[upstreams.tls] cert_file names no certificate, and one is wanted by {name}"
    why = found[1].replace("_", " ").lower()
    return (
        f"the certificate of [upstreams.tls] cert_file, or its lack, is refused ({why}) by {name}"
    )


def _is_reset(error: BaseException) -> bool:
    """aiohttp wraps what the kernel said, and keeps it in the text only."""
    return getattr(error, "errno", None) == errno.ECONNRESET or "reset by peer" in str(error)


def is_lost(error: BaseException) -> bool:
    """Whether a connection that stood has ended because nobody was there any more."""
    return getattr(error, "errno", None) in _LOST


def reason(error: BaseException) -> str:
    """Why, in the system's words, without numbers and what Python adds."""
    if isinstance(error, ssl.SSLCertVerificationError):
        # Not an attribute of one that aiohttp or a test has made by hand.
        return str(getattr(error, "verify_message", "") or "it cannot be verified").rstrip(".")
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "reason", "") or "it spoke no TLS").replace("_", " ").lower()
    if isinstance(error, OSError):
        return (error.strerror or plain(str(error)) or "no reason given").lower()
    return plain(str(error)) or "no reason given"


def first_line(text: str) -> str:
    """aiohttp's parser draws a picture of the offending bytes below its first line."""
    return text.partition("\n")[0].rstrip(":")
