"""Real seconds, where a clock of the whole proxy is under test.

How long something takes at most depends on the machine, so no test asks; whoever waits, waits for
an event with a generous bound.
"""

import asyncio
import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def taking_at_least(seconds: float) -> Iterator[None]:
    """Not before a clock has run down, less what clocks are read apart."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    yield
    assert loop.time() - start + 0.005 >= seconds
