"""The network's errors become ours."""

import errno
import ssl

import pytest
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientOSError,
    ClientPayloadError,
    ServerDisconnectedError,
)
from aiohttp.client_reqrep import ConnectionKey

from proxy.core import errors as e
from proxy.upstream.translate import body_error, connect_error, head_error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] x (_ssl.c:1)")
    error.reason = reason
    return error


UNTRUSTED = ssl.CertificateError()
REFUSED, UNSENT = e.ClientCertificateRefused, e.Stage.NOT_SENT
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
        (ClientConnectorSSLError(KEY, alert("TLSV1_ALERT_UNKNOWN_CA")), True, False, REFUSED),
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
        (os_error(errno.ETIMEDOUT), e.ConnectionTerminated),
        (e.ProtocolViolation("x"), e.ProtocolViolation),
        (e.ReplyHeadTooLarge("x"), e.ReplyHeadTooLarge),
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
    ("reason", "first", "kind", "stage", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True, REFUSED, UNSENT, "no certificate, and"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", True, REFUSED, UNSENT, "refused (certificate expired)"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", True, REFUSED, UNSENT, "(bad certificate)"),
        ("TLSV1_ALERT_ACCESS_DENIED", True, REFUSED, UNSENT, "(access denied)"),
        # What was read before it may have been executed.
        ("TLSV1_ALERT_ACCESS_DENIED", False, e.TlsBroken, e.Stage.SENT, "(access denied)"),
        ("TLSV1_ALERT_INTERNAL_ERROR", True, e.TlsBroken, e.Stage.SENT, "internal error"),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", True, e.TlsBroken, e.Stage.SENT, "bad record mac"),
    ],
)  # fmt: skip
def test_an_alert_instead_of_a_head_says_what_it_is_about(
    reason: str, first: bool, kind: type[e.UpstreamError], stage: e.Stage, words: str
) -> None:
    found = head_error(alert(reason), stage=e.Stage.SENT, name="https://a", first=first)
    assert isinstance(found, e.UpstreamError)
    assert (type(found), found.stage) == (kind, stage)
    assert "https://a" in found.detail
    assert words in found.detail


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (alert("TLSV1_ALERT_INTERNAL_ERROR"), e.ReplyBroken),
        (ClientPayloadError("x\n  picture"), e.ReplyBroken),
        (ConnectionResetError("x"), e.ReplyBroken),
        (os_error(errno.ETIMEDOUT), e.ReplyBroken),
        (e.ReplyStalled("x"), e.ReplyStalled),
    ],
)
def test_what_comes_instead_of_the_rest_of_a_body(
    error: Exception, kind: type[e.ProxyError]
) -> None:
    found = body_error(error)
    assert type(found) is kind
    assert "\n" not in found.detail


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_an_established_connection_that_is_lost_did_not_fail_to_connect(number: int) -> None:
    for error in (OSError(number, "x"), ClientOSError(number, "x")):
        before = head_error(error, stage=e.Stage.SENT, name="http://a")
        assert before.detail == "http://a could no longer be reached before it replied"
        after = body_error(error)
        assert after.detail == "the upstream could no longer be reached before the end of its reply"
