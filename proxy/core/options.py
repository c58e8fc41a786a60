"""What every table of the configuration is made of, and those that several concerns read.

Units stand in the value (``"250ms"``, ``"8MiB"``); in code they are seconds and bytes.
"""

import math
import re
from functools import partial
from typing import Annotated, Any, Final, Self

import msgspec
from msgspec import Meta

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)")
MODE: Final = "^0?[0-7]{3}$"
"""Permissions in octal."""
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Duration(float):
    """Seconds: one number and ``ms``, ``s``, ``m`` or ``h``; zero switches a clock off."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"250ms"``. Raises ValueError with a sentence for the operator."""
        if isinstance(text, str):
            if text == "0":
                return cls(0)
            if found := _DURATION.fullmatch(text):
                return cls(float(found[1]) * _SECONDS[found[2]])
        raise ValueError(f'expected a duration such as "250ms", "5s", "2m" or "1h", got {text!r}')

    def __str__(self) -> str:
        if not self:
            return "0"
        unit = next((u for u in ("h", "m", "s") if not self % _SECONDS[u]), "ms")
        number = f"{self / _SECONDS[unit]:.6f}".rstrip("0").rstrip(".")
        return f"{number}{unit}"


class Size(int):
    """Bytes: one number and ``B``, ``KiB``, ``MiB`` or ``GiB``; zero switches a limit off."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"8MiB"``. Raises ValueError with a sentence for the operator."""
        if isinstance(text, str):
            if text == "0":
                return cls(0)
            if found := _SIZE.fullmatch(text):
                # Rounded up: "0.5B" is not the zero that switches a limit off.
                return cls(math.ceil(float(found[1]) * _BYTES[found[2]]))
        raise ValueError(f'expected a size such as "64B", "16KiB", "8MiB" or "1GiB", got {text!r}')

    def __str__(self) -> str:
        if not self:
            return "0"
        unit = next(u for u in ("GiB", "MiB", "KiB", "B") if not self % _BYTES[u])
        return f"{self // _BYTES[unit]}{unit}"


def seconds(amount: float) -> Duration:
    """A default for a Duration field (msgspec wants a factory for types of our own)."""
    return msgspec.field(default_factory=partial(Duration, amount))


def size(amount: int) -> Size:
    """A default for a Size field, in bytes."""
    return msgspec.field(default_factory=partial(Size, amount))


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration file."""


def described(text: str) -> Any:
    """The description that becomes the reference, the schema and the comments."""
    return Meta(description=text)


class ShutdownOptions(Table, frozen=True, kw_only=True):
    """What happens on SIGTERM and SIGINT."""

    delay: Annotated[
        Duration, described("Readiness fails first; the listener closes this much later.")
    ] = seconds(0)
    grace_period: Annotated[
        Duration, described("How long requests in flight may take to finish before they are cut.")
    ] = seconds(30)


class TimeoutsOptions(Table, frozen=True, kw_only=True):
    """Each clock has its own status and retry rule; "0" switches it off."""

    queue: Annotated[
        Duration, described("Waiting for a permit, see [concurrency] and [queue]; over it: 503.")
    ] = seconds(10)
    connect: Annotated[Duration, described("Name look-up, TCP and TLS; over it: 504.")] = seconds(5)
    first_byte: Annotated[
        Duration,
        described(
            "From the last byte of the request that the upstream took to the reply's head; "
            "over it: 504."
        ),
    ] = seconds(600)
    idle: Annotated[
        Duration, described("Between two chunks of the reply; over it the reply is cut.")
    ] = seconds(600)
    progress: Annotated[
        Duration,
        described(
            "Like idle, but comments and pings of a stream of events do not count as something; "
            "over it the reply is cut."
        ),
    ] = seconds(0)
    total: Annotated[
        Duration,
        described("The whole exchange, retries included; over it: 504, or cut after the head."),
    ] = seconds(0)
    per_try: Annotated[
        Duration, described("One attempt, up to its head; like first_byte when tries run out.")
    ] = seconds(0)
    tunnel_idle: Annotated[
        Duration, described("Upgraded connections end after so long without a byte either way.")
    ] = seconds(3600)
