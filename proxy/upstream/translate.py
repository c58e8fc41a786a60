"""The network's errors become ours here and nowhere else."""

import asyncio
import errno
from typing import Any

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
)
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from proxy.core.errors import (
    CertificateInvalid,
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
    TlsFailed,
    UpstreamError,
)
from proxy.core.local_limits import local_limit

_HANDSHAKE_CUT = frozenset({errno.ECONNRESET, errno.EPIPE, None})


def connect_error(
    error: Exception, *, tls: bool, looking_up: bool, address: Any = None
) -> UpstreamError:
    """What kept us from getting a connection; nothing was sent.

    ``address``: where to, a tuple as sockets have it, where that is known.
    """
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    if (ours := local_limit(cause, address)) is not None:
        return ours
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, ClientConnectorDNSError):
        return NameUnknown(detail)
    if isinstance(error, asyncio.TimeoutError):
        return LookupTimeout("name look-up") if looking_up else ConnectTimeout("TCP or TLS")
    if isinstance(error, ClientConnectorCertificateError):
        return CertificateInvalid(detail)
    if isinstance(error, ClientConnectorSSLError):
        return TlsFailed(detail)
    if tls and isinstance(error, ClientConnectorError) and error.os_error.errno in _HANDSHAKE_CUT:
        return TlsFailed(detail)
    return ConnectFailed(detail)


def head_error(error: Exception, *, stage: Stage) -> ProxyError:
    """What came instead of a reply's head."""
    if isinstance(error, ProxyError):
        if isinstance(error, UpstreamError):
            error.stage = stage
        return error
    if isinstance(error, HttpProcessingError):
        if isinstance(error, LineTooLong) or "Too many headers" in error.message:
            return ReplyHeadTooLarge(error.message)
        return ProtocolViolation(first_line(error.message))
    return ConnectionTerminated(f"{type(error).__name__}: {error}", stage=stage)


def body_error(error: Exception) -> ProxyError:
    """What came instead of the rest of a reply's body."""
    if isinstance(error, ProxyError):
        return error
    return ReplyBroken(f"{type(error).__name__}: {first_line(str(error))}")


def first_line(text: str) -> str:
    """aiohttp's parser draws a picture of the offending bytes below its first line."""
    return text.partition("\n")[0].rstrip(":")
