"""What an attempt came to, and whose fault it was: decided once, for all middlewares.

| came                                   | verdict       | server at fault | others take over |
|----------------------------------------|---------------|-----------------|------------------|
| a status below 500, but 429            | ANSWERED      | no              | no               |
| 429                                    | OVERLOADED    | no              | no               |
| 503                                    | OVERLOADED    | yes             | yes              |
| 529 (Anthropic's "overloaded")         | OVERLOADED    | yes             | no               |
| no head in time                        | OVERLOADED    | yes             | yes              |
| 502, 504                               | FAILED        | yes             | yes              |
| any other status of 500 or above       | FAILED        | yes             | no               |
| no connection, a reset, a broken reply | FAILED        | yes             | yes              |
| nobody was asked; the client's fault   | NOT_ATTEMPTED | no              | yes, no         |

A 429 is said of a client's quota: the server is well, but it did no work either.
"""

from enum import Enum
from typing import Final, Protocol

from proxy.core.errors import (
    CertificateInvalid,
    ClientCertificateRefused,
    ConnectError,
    ConnectionTerminated,
    NoEndpointAvailable,
    NotAttempted,
    ProtocolViolation,
    ReplyBroken,
    ReplyStalled,
    ResponseTimeout,
    Stage,
    UpstreamError,
)
from proxy.core.exchange import Exchange
from proxy.core.record import BROKEN, NOT_ATTEMPTED
from proxy.core.reply import Reply
from proxy.http.fields import has, values

CONNECT_FAILURE = "connect-failure"
STALE_CONNECTION = "stale-connection"
RESET = "reset"
TIMEOUT = "timeout"
FAILED: Final = "failed"
"""What the log calls a failure that ``[retry] on`` has no name for."""

TOO_MANY: Final = 429
_SERVER: Final = 500
OVERLOADED: Final = frozenset({TOO_MANY, 503, 529})
"""Statuses that say: less, or later."""
_GATEWAY: Final = frozenset({502, 503, 504})
"""Statuses that a gateway gives for a service that does not work (RFC 9110 15.6.3 to 15.6.5)."""


class Verdict(Enum):
    """What an attempt came to."""

    ANSWERED = "answered"  # the server did its work, whatever the client thinks of the answer
    OVERLOADED = "overloaded"  # it says that it has too much to do, or takes too long
    FAILED = "failed"  # it could not do its work, however fast it said so
    NOT_ATTEMPTED = (
        "not attempted"  # nobody was asked, or the client did not wait: nothing is known
    )


def verdict(came: Reply | BaseException) -> Verdict:
    """What a reply, or what came instead of one, says of the server."""
    if isinstance(came, Reply):
        return status_verdict(came.status)
    if isinstance(came, NotAttempted) or not isinstance(came, UpstreamError):
        return Verdict.NOT_ATTEMPTED
    return Verdict.OVERLOADED if isinstance(came, ResponseTimeout) else Verdict.FAILED


def status_verdict(status: int) -> Verdict:
    """The same for a status."""
    if status in OVERLOADED:
        return Verdict.OVERLOADED
    return Verdict.ANSWERED if status < _SERVER else Verdict.FAILED


class RepeatRules(Protocol):
    """Which requests may run twice: what `[retry]` says of it."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of which every request may."""

    @property
    def idempotency_header(self) -> str:
        """The field with which a request of any method may; empty for none."""


def repeatable(exchange: Exchange, rules: RepeatRules) -> bool:
    """Whether running the request twice is the same as once (RFC 9110 9.2.2)."""
    if exchange.method in rules.methods:
        return True
    name = rules.idempotency_header.lower().encode()
    if not has(exchange.headers, name):  # nearly always
        return False
    keys = set(values(exchange.headers, name))
    # An empty key is none, and of two nobody knows which one the server looks at.
    return len(keys) == 1 and bool(keys.pop().strip(b'" \t'))


NEEDS_VERDICT: Final = frozenset(
    status for status in range(100, 1000) if status_verdict(status) is not Verdict.ANSWERED
)
"""Statuses that need a second look; one look-up for the many that do not."""


def at_fault(status: int) -> bool:
    """Whether a reply with this status says that the server is not well."""
    return status >= _SERVER


def takes_over(status: int) -> bool:
    """Whether another upstream may have what this one has not."""
    return status in _GATEWAY


def refusal(reply: Reply, exchange: Exchange) -> UpstreamError:
    """What the log is told of a reply in whose place another one is given."""
    return NoEndpointAvailable(f"{exchange.record.endpoint} answered {reply.status}")


def attempt_outcome(came: Reply | UpstreamError) -> str:
    """What the log calls the outcome of an attempt: a status, or why there was no reply."""
    if isinstance(came, Reply):
        return str(came.status)
    if isinstance(came, NotAttempted):
        return NOT_ATTEMPTED
    return failure_class(came) or FAILED


def last_outcome(error: BaseException) -> str:
    """The same of a failure that its call has ended with; empty where it says nothing of an
    attempt."""
    if isinstance(error, NotAttempted) or not isinstance(error, UpstreamError):
        return ""
    if isinstance(error, ReplyBroken):
        return "" if error.whole else BROKEN
    return attempt_outcome(error)


def lasts(error: UpstreamError) -> bool:
    """Whether the same server would fail the next time too: its certificate, or ours, is wrong."""
    return isinstance(error, CertificateInvalid | ClientCertificateRefused)


def failure_class(error: UpstreamError) -> str:
    """What ``[retry] on`` calls this failure; empty for those that it has no name for."""
    if isinstance(error, NotAttempted):
        return ""
    if error.stage is Stage.NOT_SENT or isinstance(error, ConnectError):
        return CONNECT_FAILURE
    if isinstance(error, ResponseTimeout | ReplyStalled):
        return TIMEOUT
    if isinstance(error, ReplyBroken):  # of a reply that nobody has seen yet, see middleware/commit
        return RESET
    if error.stage is Stage.STALE:
        return STALE_CONNECTION
    if isinstance(error, ConnectionTerminated | ProtocolViolation):
        return RESET
    return ""
