"""What one that waits in a queue is told."""

import asyncio
from enum import Enum
from typing import TypeAlias


class Outcome(Enum):
    """How a wait for a permit ended."""

    THROUGH = "through"
    REFUSED = "refused"
    TIMEOUT = "timeout"


Answer: TypeAlias = "asyncio.Future[Outcome]"


def tell(answer: Answer, through: bool) -> bool:
    """What a queue says of a `Waiter`; whether somebody still hears it.

    No method of a turn: that holds the waiter, and only the collector would let go of the two.
    """
    if answer.done():
        return False
    answer.set_result(Outcome.THROUGH if through else Outcome.REFUSED)
    return True
