"""Whose fault it was, and how far it had come: decided once, for all middlewares."""

from proxy.core.errors import (
    ConnectError,
    ConnectionTerminated,
    ProtocolViolation,
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
    if error.stage is Stage.NOT_SENT or isinstance(error, ConnectError):
        return CONNECT_FAILURE
    if error.stage is Stage.ANSWERED:
        return ""
    if isinstance(error, ResponseTimeout):
        return TIMEOUT
    if error.stage is Stage.STALE:
        return STALE_CONNECTION
    if isinstance(error, ConnectionTerminated | ProtocolViolation):
        return RESET
    return ""
