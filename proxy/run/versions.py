"""Which aiohttp this proxy was tested with: it uses more of it than its reference describes."""

import logging
from typing import Final

import aiohttp

log = logging.getLogger(__name__)

TESTED: Final = (3, 14)
LEAST: Final = 4
"""Together what ``pyproject.toml`` pins. 3.14.4 mends a false ContentLengthError of slow readers
(aiohttp 13348)."""


def untested(version: str) -> str:
    """What to say of an aiohttp that is not a tested one; empty for one that is."""
    numbers = [int(part) if part.isdecimal() else -1 for part in version.split(".")[:3]]
    if tuple(numbers[:2]) == TESTED and numbers[2:] >= [LEAST]:
        return ""
    series = f"{TESTED[0]}.{TESTED[1]}"
    return (
        f"aiohttp {version} is installed, but this proxy was tested with {series}.{LEAST} and "
        f"later versions of {series} only: install one of these"
    )


def warn_of_untested() -> None:
    """Say it in one line, where there is something to say."""
    if words := untested(aiohttp.__version__):
        log.warning("%s", words)
