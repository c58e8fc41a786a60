"""A stop that an operator has asked for: the process is sent SIGTERM, and can be told by whom."""

import asyncio
import signal
from typing import Final

_asked: Final[list[str]] = []


def stop(by: str) -> None:
    """Once what is being answered is written. ``by``: what asks, for the log."""
    _asked.append(by)
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)


def asked_by() -> str:
    """What has asked first, once; empty where nobody has."""
    by = _asked[0] if _asked else ""
    _asked.clear()
    return by
