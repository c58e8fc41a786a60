"""Refusals that concern the client alone whose request a shared call is."""

from proxy.core.errors import (
    DeadlineTooShort,
    QueueFull,
    QueueTimeout,
    UpstreamError,
    UpstreamQuotaExceeded,
)


def is_own_refusal(error: Exception | None) -> bool:
    """Whether a call was not sent for what its first client alone may lack: rights, or time."""
    return isinstance(error, QueueFull | UpstreamQuotaExceeded) or ends_a_wait(error)


def ends_a_wait(error: Exception | None) -> bool:
    """Whether it is the time of the client that was over: whoever waited longer may get more."""
    if isinstance(error, UpstreamError) and error.patience_over:
        return True
    return isinstance(error, QueueTimeout | DeadlineTooShort)
