"""Real seconds, where a clock of the whole proxy is under test."""

import asyncio
import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def taking_between(least: float, most: float) -> Iterator[None]:
    """Real seconds, with room for a busy machine."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    yield
    assert least <= loop.time() - start + 0.005 <= most
