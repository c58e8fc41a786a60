"""Everything that can go wrong, by whose side it went wrong on; ``edge/statuses`` has statuses."""

import re
from enum import Enum
from typing import ClassVar, Final

from proxy.policy.quota import Quota

_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


class Stage(Enum):
    """How far a failed attempt had come. It decides what may be sent again."""

    NOT_SENT = "not sent"  # no byte of the request left us: any method may go again
    STALE = "stale"  # a pooled connection that died without one byte of a reply
    SENT = "sent"  # the upstream may have acted on it
    ANSWERED = "answered"  # a head arrived; the body broke


class ProxyError(Exception):
    """A failure with a sentence for the operator."""

    reason: ClassVar[str] = "proxy_error"
    """Its class as metrics call it: ``queue_full`` for QueueFull."""
    clock: str = ""
    """The timeout that has run out, as its option is called; empty for all other failures."""

    def __init__(self, detail: str = "", *, clock: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        if clock:
            self.clock = clock

    def __init_subclass__(cls) -> None:
        cls.reason = _WORD.sub("_", cls.__name__).lower()


# The client's side


class ClientError(ProxyError):
    """The request is at fault."""


class BadRequest(ClientError):
    """Malformed or ambiguous."""


class TlsExpected(BadRequest):
    """Plain HTTP, to an address of ``[server] listen`` with ``[server.tls]``."""


class RequestTimeout(ClientError):
    """The head or the body of the request came too slowly."""


class BodyTooLarge(ClientError):
    """The body is longer than ``[server] max_body``."""


class HeadTooLarge(ClientError):
    """The head is longer than ``[server] max_header_size``."""


class TargetTooLong(ClientError):
    """The request line alone is longer than ``[server] max_header_size``."""


class UnsupportedCoding(ClientError):
    """A transfer coding other than chunked."""


class NoRoute(ClientError):
    """No route matches."""


class MethodNotAllowed(ClientError):
    """Routes match the request, but none of them takes its method."""

    def __init__(self, detail: str, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class RateLimited(ClientError):
    """This client is over its ``[rate_limit]``."""

    def __init__(self, detail: str = "", *, retry_after: float, policy: str, limit: str) -> None:
        """``retry_after`` in seconds; ``policy``, ``limit``: RateLimit-Policy and RateLimit."""
        super().__init__(detail)
        self.retry_after = retry_after
        self.policy = policy
        self.limit = limit


class ClientGone(ClientError):
    """The client left; there is nobody to answer."""


# The upstream's side


class UpstreamError(ProxyError):
    """One attempt failed. ``stage`` says how far it had come."""

    default_stage: ClassVar[Stage] = Stage.SENT
    alternative_ready = False
    """Whether another endpoint could be asked at once."""
    patience_over = False
    """Whether the request has waited for a server to connect to, for as long as it may."""

    def __init__(self, detail: str = "", *, stage: Stage | None = None, clock: str = "") -> None:
        super().__init__(detail, clock=clock)
        self.stage = self.default_stage if stage is None else stage


class ConnectError(UpstreamError):
    """No connection, so nothing was sent."""

    default_stage = Stage.NOT_SENT


class ConnectFailed(ConnectError):
    """The server refused the connection or cannot be reached."""


class NameUnknown(ConnectError):
    """The look-up of the upstream's name failed."""


class LookupTimeout(ConnectError):
    """The look-up of the upstream's name took too long."""

    clock = "connect"


class ConnectTimeout(ConnectError):
    """TCP and TLS took longer than ``[timeouts] connect``."""

    clock = "connect"


class TlsFailed(ConnectError):
    """The TLS handshake failed."""


class CertificateInvalid(ConnectError):
    """The upstream's certificate is not acceptable."""


class ClientCertificateRefused(ConnectError):
    """The server does not accept the proxy's certificate, or wants one and was shown none."""


class ResponseTimeout(UpstreamError):
    """No head in time: ``first_byte``, ``per_try`` or ``total``."""


class AttemptTimeout(ResponseTimeout):
    """No head within ``per_try``, or in time for ``last_chance``, while another may follow."""


class ConnectionTerminated(UpstreamError):
    """The server ended the connection before the head of its reply."""


class TlsBroken(ConnectionTerminated):
    """The server ended TLS by an alert, or broke it, before the head of its reply."""


class ProtocolViolation(UpstreamError):
    """The reply is not valid HTTP, or cannot be passed on."""


class ReplyHeadTooLarge(UpstreamError):
    """The head of the reply is longer than the proxy accepts."""


class ReplyBroken(UpstreamError):
    """The body of the reply ended early, stalled or lost its framing."""

    default_stage = Stage.ANSWERED
    whole = False
    """Whether it is all right, but cannot be shown: its client has the head of another one."""


class ReplyStalled(ReplyBroken):
    """Nothing came for longer than ``[timeouts] idle``."""


# Our side


class NotAttempted(UpstreamError):
    """No server was asked, so nothing was sent; asking once more at once would not help."""

    default_stage = Stage.NOT_SENT

    def __init__(self, detail: str = "", *, retry_after: float | None = 1.0) -> None:
        """``retry_after``: seconds until it is worth another try, None where that is unknown."""
        super().__init__(detail)
        self.retry_after = retry_after


class NoEndpointAvailable(NotAttempted):
    """No server can be used: all are ejected, unhealthy or gone."""


class QueueFull(NotAttempted):
    """All permits of an upstream are taken, and its queue is full."""


class QueueTimeout(NotAttempted):
    """No permit became free within ``[timeouts] queue``."""

    clock = "queue"


class ServerAtLimit(NotAttempted):
    """No connection to a server became free within ``connect``: ``limit`` of its upstream."""


class UpstreamQuotaExceeded(NotAttempted):
    """The upstream has said that its own limit is reached: ``[rate_limit] learn``."""

    server = ""  # whose it is, where that is one server
    quota: Quota | None = None
    """That of which a turn has to be waited for, where some are left."""
    sendable = False  # whether it would be sent all the same, if it could not wait for so long


class CredentialsUnavailable(NotAttempted):
    """The proxy has no credentials for the upstream now: the token server has given none."""


class DeadlineTooShort(NotAttempted):
    """The client's ``[deadline]``, or ``total``, is over before an answer can come."""

    def __init__(self, detail: str = "", *, clock: str = "deadline") -> None:
        super().__init__(detail, retry_after=None)
        self.clock = clock


class LocalLimit(NotAttempted):
    """A limit of this process or machine is reached: descriptors, ports, threads, memory, disk."""

    def __init__(self, detail: str = "", *, kind: str = "") -> None:
        """``kind``: which limit, for a log that tells each of them now and then only."""
        super().__init__(detail)
        self.kind = kind


class ConnectionLimit(ProxyError):
    """More clients than ``[server] max_connections`` are connected."""


class ShuttingDown(ProxyError):
    """The grace period of a shutdown is over, or what is asked cannot begin during one."""


class EndedByOperator(ProxyError):
    """An operator has ended the request."""


class LoopDetected(ProxyError):
    """The request has come through this proxy before."""


class NotCached(ProxyError):
    """The client takes a stored reply only (``only-if-cached``), and there is none."""


class NotRecorded(ProxyError):
    """The recording that is replayed has no answer to the request."""


class InternalError(ProxyError):
    """A fault of the proxy itself or of its configuration."""


def forget_frames(error: BaseException) -> None:
    """Let go of the frames that an error and its causes went through, once it has been dealt with.

    Connections and bodies keep the error that ended them; a frame on its way has the connection or
    the body among its variables. The two would keep each other alive until the collector comes.
    """
    chain = [error]
    while chain:
        link = chain.pop()
        link.__traceback__ = None
        # From an error that is its own cause there would be no way back.
        cause, link.__cause__ = link.__cause__, None
        context, link.__context__ = link.__context__, None
        chain += [other for other in (cause, context) if other is not None]
