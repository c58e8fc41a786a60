"""The network's errors become ours."""

import errno
import ssl

import pytest
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientPayloadError,
    ServerDisconnectedError,
)
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadStatusLine, LineTooLong

from proxy.core import errors as e
from proxy.upstream.translate import body_error, connect_error, head_error

UNTRUSTED = ssl.CertificateError()
KEY = ConnectionKey("a", 1, False, True, None, None, None)


def os_error(number: int | None) -> OSError:
    return OSError(number, "x") if number is not None else OSError("x")


@pytest.mark.parametrize(
    ("error", "tls", "looking_up", "kind"),
    [
        (ClientConnectorDNSError(KEY, os_error(-2)), False, False, e.NameUnknown),
        (TimeoutError(), False, True, e.LookupTimeout),
        (TimeoutError(), False, False, e.ConnectTimeout),
        (ClientConnectorCertificateError(KEY, UNTRUSTED), True, False, e.CertificateInvalid),
        (ClientConnectorSSLError(KEY, ssl.SSLError(1, "x")), True, False, e.TlsFailed),
        (ClientConnectorError(KEY, os_error(errno.ECONNRESET)), True, False, e.TlsFailed),
        (ClientConnectorError(KEY, os_error(errno.ECONNRESET)), False, False, e.ConnectFailed),
        (ClientConnectorError(KEY, os_error(errno.ECONNREFUSED)), True, False, e.ConnectFailed),
        (ClientConnectorError(KEY, os_error(errno.EHOSTUNREACH)), False, False, e.ConnectFailed),
    ],
)  # fmt: skip
def test_what_keeps_us_from_connecting(
    error: Exception, tls: bool, looking_up: bool, kind: type[e.ProxyError]
) -> None:
    found = connect_error(error, tls=tls, looking_up=looking_up)
    assert type(found) is kind
    assert found.stage is e.Stage.NOT_SENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServerDisconnectedError(), e.ConnectionTerminated),
        (ConnectionResetError(), e.ConnectionTerminated),
        (BadStatusLine("x"), e.ProtocolViolation),
        (LineTooLong("x", 10), e.ReplyHeadTooLarge),
        (e.ResponseTimeout(), e.ResponseTimeout),
        (e.BodyTooLarge(), e.BodyTooLarge),
    ],
)
def test_what_comes_instead_of_a_head(error: Exception, kind: type[e.ProxyError]) -> None:
    found = head_error(error, stage=e.Stage.STALE)
    assert type(found) is kind
    if isinstance(found, e.ConnectionTerminated | e.ResponseTimeout):
        assert found.stage is e.Stage.STALE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientPayloadError("x\n  picture"), e.ReplyBroken),
        (ConnectionResetError("x"), e.ReplyBroken),
        (e.ReplyStalled("x"), e.ReplyStalled),
    ],
)
def test_what_comes_instead_of_the_rest_of_a_body(
    error: Exception, kind: type[e.ProxyError]
) -> None:
    found = body_error(error)
    assert type(found) is kind
    assert "\n" not in found.detail
