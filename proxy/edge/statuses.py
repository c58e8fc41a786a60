"""THE status table: which error is which status and token, and what everybody may be told of it."""

from http import HTTPStatus
from typing import Final

from proxy.core import errors as e

S: Final = HTTPStatus
HEAD_SIZE: Final = "http_response_header_section_size"
# fmt: off
FAILURES: Final[dict[type[e.ProxyError], tuple[HTTPStatus, str]]] = {
    # error                 status                              proxy-status token (RFC 9209)
    e.BadRequest:              (S.BAD_REQUEST,                     "http_request_error"),
    e.TlsExpected:             (S.BAD_REQUEST,                     "http_request_error"),
    e.RequestTimeout:          (S.REQUEST_TIMEOUT,                 "http_request_error"),
    e.BodyTooLarge:            (S.REQUEST_ENTITY_TOO_LARGE,        "http_request_error"),
    e.HeadTooLarge:            (S.REQUEST_HEADER_FIELDS_TOO_LARGE, "http_request_error"),
    e.TargetTooLong:           (S.REQUEST_URI_TOO_LONG,            "http_request_error"),
    e.UnsupportedCoding:       (S.NOT_IMPLEMENTED,                 "http_request_error"),
    e.NoRoute:                 (S.NOT_FOUND,                       "destination_not_found"),
    e.MethodNotAllowed:        (S.METHOD_NOT_ALLOWED,              "http_request_denied"),
    e.RateLimited:             (S.TOO_MANY_REQUESTS,               "http_request_denied"),
    e.ConnectFailed:           (S.BAD_GATEWAY,                     "connection_refused"),
    e.NameUnknown:             (S.BAD_GATEWAY,                     "dns_error"),
    e.LookupTimeout:           (S.GATEWAY_TIMEOUT,                 "dns_timeout"),
    e.ConnectTimeout:          (S.GATEWAY_TIMEOUT,                 "connection_timeout"),
    e.TlsFailed:               (S.BAD_GATEWAY,                     "tls_protocol_error"),
    e.CertificateInvalid:      (S.BAD_GATEWAY,                     "tls_certificate_error"),
    e.ClientCertificateRefused: (S.BAD_GATEWAY,                    "tls_protocol_error"),
    e.ResponseTimeout:         (S.GATEWAY_TIMEOUT,                 "http_response_timeout"),
    e.AttemptTimeout:          (S.GATEWAY_TIMEOUT,                 "http_response_timeout"),
    e.ConnectionTerminated:    (S.BAD_GATEWAY,                     "connection_terminated"),
    e.TlsBroken:               (S.BAD_GATEWAY,                     "tls_protocol_error"),
    e.ProtocolViolation:       (S.BAD_GATEWAY,                     "http_protocol_error"),
    e.ReplyHeadTooLarge:       (S.BAD_GATEWAY,                     HEAD_SIZE),
    e.ReplyBroken:             (S.BAD_GATEWAY,                     "http_response_incomplete"),
    e.ReplyStalled:            (S.GATEWAY_TIMEOUT,                 "http_response_timeout"),
    e.NoEndpointAvailable:     (S.SERVICE_UNAVAILABLE,             "destination_unavailable"),
    e.QueueFull:               (S.SERVICE_UNAVAILABLE,             "connection_limit_reached"),
    e.QueueTimeout:            (S.SERVICE_UNAVAILABLE,             "connection_limit_reached"),
    e.UpstreamQuotaExceeded:   (S.TOO_MANY_REQUESTS,               "http_request_denied"),
    e.CredentialsUnavailable:  (S.SERVICE_UNAVAILABLE,             "destination_unavailable"),
    e.DeadlineTooShort:        (S.GATEWAY_TIMEOUT,                 "http_response_timeout"),
    e.LocalLimit:              (S.SERVICE_UNAVAILABLE,             "connection_limit_reached"),
    e.ServerAtLimit:           (S.SERVICE_UNAVAILABLE,             "connection_limit_reached"),
    e.ConnectionLimit:         (S.SERVICE_UNAVAILABLE,             "connection_limit_reached"),
    e.ShuttingDown:            (S.SERVICE_UNAVAILABLE,             "destination_unavailable"),
    e.NotCached:               (S.GATEWAY_TIMEOUT,                 "http_request_denied"),
    e.NotRecorded:             (S.BAD_GATEWAY,                     "destination_not_found"),
    e.EndedByOperator:         (S.SERVICE_UNAVAILABLE,             "http_request_denied"),
    e.LoopDetected:            (S.LOOP_DETECTED,                   "proxy_loop_detected"),
    e.InternalError:           (S.INTERNAL_SERVER_ERROR,           "proxy_internal_error"),
}
# fmt: on

SENTENCES: Final[dict[type[e.ProxyError], str]] = {
    e.BadRequest: "The request is malformed or ambiguous.",
    e.TlsExpected: "This address speaks TLS: ask it by https.",
    e.RequestTimeout: "The request came too slowly.",
    e.BodyTooLarge: "The body of the request is larger than this proxy takes.",
    e.HeadTooLarge: "The fields of the request are larger than this proxy takes.",
    e.TargetTooLong: "The target of the request is longer than this proxy takes.",
    e.UnsupportedCoding: "The request has a transfer coding other than chunked.",
    e.NoRoute: "No route of this proxy leads there.",
    e.MethodNotAllowed: "The request has a method that is not taken here.",
    e.RateLimited: "This client has used up its share of requests for now.",
    e.ConnectFailed: "The upstream refused the connection or cannot be reached.",
    e.NameUnknown: "The name of the upstream could not be found.",
    e.LookupTimeout: "The name of the upstream was not found in time.",
    e.ConnectTimeout: "No connection to the upstream could be made in time.",
    e.TlsFailed: "The TLS handshake with the upstream failed.",
    e.CertificateInvalid: "The certificate of the upstream is not acceptable.",
    e.ClientCertificateRefused: "The upstream does not accept the certificate of this proxy.",
    e.ResponseTimeout: "No reply came from the upstream in time.",
    e.AttemptTimeout: "No reply came from the upstream in time.",
    e.ConnectionTerminated: "The upstream ended the connection before it replied.",
    e.TlsBroken: "The upstream ended the TLS connection before it replied.",
    e.ProtocolViolation: "The upstream sent a reply that is not valid HTTP.",
    e.ReplyHeadTooLarge: "The upstream sent a reply whose fields are too large.",
    e.ReplyBroken: "The reply of the upstream broke off.",
    e.ReplyStalled: "The reply of the upstream stopped coming.",
    e.NoEndpointAvailable: "No server of the upstream may be asked at the moment.",
    e.QueueFull: "The upstream is busy, and its queue has no place left.",
    e.QueueTimeout: "The upstream was busy for as long as the request may wait.",
    e.UpstreamQuotaExceeded: "The upstream takes no more requests for now.",
    e.CredentialsUnavailable: "This proxy has no valid credentials for the upstream at the moment.",
    e.DeadlineTooShort: "Too little is left of the time that the client gives for an answer.",
    e.LocalLimit: "This proxy has reached a limit of its own.",
    e.ServerAtLimit: "No connection is free.",
    e.ConnectionLimit: "No connection is free.",
    e.ShuttingDown: "This proxy is shutting down.",
    e.EndedByOperator: "An operator of this proxy has ended the request.",
    e.LoopDetected: "The request has come through this proxy already.",
    e.NotCached: "The request takes a stored reply only, and there is none that may be used.",
    e.NotRecorded: "The recording that is replayed has no answer to the request.",
    e.InternalError: "This proxy failed.",
}
"""What everybody may know; which server, which clock and why is for ``[errors] details``."""


def failure(error: e.ProxyError) -> tuple[HTTPStatus, str]:
    """Status and token of an error."""
    for kind in type(error).__mro__:
        if kind in FAILURES:
            return FAILURES[kind]
    return FAILURES[e.InternalError]
