"""What a client is told before its answer, where several attempts have something to tell."""

from collections.abc import Sequence
from typing import Final

from proxy.core.record import Informed

FEW: Final = 4
"""Informational heads that a client is told where several attempts have some. Go's net/http takes
five (golang/go#26161); one of them may be a 100 (Continue)."""


def is_news(said: Informed, before: Sequence[Informed], informed: Sequence[Informed]) -> bool:
    """Whether a client is told this too (RFC 9110 15.2).

    ``before``: what it was told of attempts before this one; ``informed``: all that it was told.
    A head without fields, 102 (Processing), says that work goes on: that is always news.
    """
    return len(informed) < FEW and not (said[1] and said in before)
