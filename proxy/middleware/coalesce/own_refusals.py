"""Which errors of a shared call are whose: refusals that concern its first client alone."""

import copy

from proxy.core.errors import (
    DeadlineTooShort,
    InternalError,
    ProxyError,
    QueueFull,
    QueueTimeout,
    UpstreamError,
    UpstreamQuotaExceeded,
)


def is_own_refusal(error: Exception | None) -> bool:
    """Whether a call was not sent for what its first client alone may lack: rights, or time."""
    if isinstance(error, UpstreamError) and error.patience_over:
        return True
    return isinstance(error, QueueFull | QueueTimeout | DeadlineTooShort | UpstreamQuotaExceeded)


def is_of_a_quota(error: Exception | None) -> bool:
    """Whether each client has what is lacking for itself.

    Of places in a queue there are not more because all ask for one: they would only take them from
    others. And who has waited with a second client has waited for as long as by itself.
    """
    return isinstance(error, UpstreamQuotaExceeded)


def own_error(error: Exception) -> Exception:
    """An error for each client: handlers add to it on its way up."""
    if not isinstance(error, ProxyError):
        return InternalError("an error of the proxy itself, see its log")
    return copy.copy(error)
