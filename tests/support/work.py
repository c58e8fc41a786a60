"""How much work a piece of code does, counted and not timed.

Every line that runs costs one. Where the input comes in pieces, it also costs as much as the
longest ``bytes`` that one of its names holds: what puts together all that came before for each
piece grows with the square of it; what looks at each byte once, or appends to a buffer, does not.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

_OURS: Final = "/proxy/"


def work(run: Callable[[], object], *, pieces: bool) -> int:
    """Steps of the proxy's own lines while ``run`` runs; ``pieces``: the input comes in pieces."""
    count = 0

    def longest(frame: FrameType) -> int:
        return max(
            (len(value) for value in frame.f_locals.values() if isinstance(value, bytes)),
            default=0,
        )

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if event in ("line", "return"):
            count += 1 + (longest(frame) if pieces else 0)
        return local

    def started(frame: FrameType, _event: str, _: Any) -> Any:
        return local if _OURS in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(started)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


def grows_like(
    run: Callable[[int], object], size: int, times: int = 4, *, pieces: bool = True
) -> float:
    """By how much more the work grows than the input, where that gets ``times`` as large.

    1 is linear; what is quadratic gives ``times``.
    """
    small, large = (
        work(lambda: run(size), pieces=pieces),
        work(lambda: run(size * times), pieces=pieces),
    )
    return large / small / times
