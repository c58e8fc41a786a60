"""Whose fault it was, and how far it had come: decided once, for all middlewares."""

from proxy.core.errors import (
    ConnectError,
    ConnectionTerminated,
    NotAsked,
    ProtocolViolation,
    ReplyBroken,
    ReplyStalled,
    ResponseTimeout,
    Stage,
    UpstreamError,
)

CONNECT_FAILURE = "connect-failure"
STALE_CONNECTION = "stale-connection"
RESET = "reset"
TIMEOUT = "timeout"


def failure_class(error: UpstreamError) -> str:
    """What ``[retry] on`` calls this failure; empty for those that it has no name for."""
    if isinstance(error, NotAsked):
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
