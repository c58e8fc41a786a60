"""What every table of the configuration is made of, and the tables that always apply.

Units stand in the value (``"250ms"``, ``"8MiB"``); in code they are seconds and bytes.
"""

import math
import re
from functools import partial
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import Meta

from proxy.core.request_key import PATTERN

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
        Duration, described("How long the listener stays open after readiness has failed.")
    ] = seconds(0)
    grace_period: Annotated[
        Duration, described("How long requests in flight may take to finish before they are cut.")
    ] = seconds(30)


class AdminOptions(Table, frozen=True, kw_only=True):
    """The listener for operators: /healthz, /readyz, /api/state. No table, no listener."""

    listen: Annotated[
        str,
        described(
            "Address of the admin listener. Whoever reaches it sees the whole state: "
            "keep it on loopback."
        ),
    ] = "127.0.0.1:9901"
    probes: Annotated[
        str,
        described(
            "Address for /healthz and /readyz alone, for orchestrators that ask from outside: "
            '"0.0.0.0:9902".'
        ),
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        described(
            "Names that requests to the admin listener may have in Host and Origin, beside "
            "localhost, the host of `listen` and addresses; others are refused with 403."
        ),
    ] = ()
    show_keys: Annotated[
        tuple[Annotated[str, Meta(pattern=PATTERN)], ...],
        described(
            'Keys of limits and queues that are no secrets, such as "header:X-Tenant": shown as '
            "they are, others as a short hash. client_addr, path and route are always shown."
        ),
    ] = ()


class LogOptions(Table, frozen=True, kw_only=True):
    """The access log on standard output, everything else on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        described("Least severity that standard error shows."),
    ] = "info"
    format: Annotated[
        Literal["json", "console"], described("One JSON object a line, or text for a terminal.")
    ] = "json"
    access: Annotated[bool, described("Write one line for each request.")] = True
    sample: Annotated[
        float,
        Meta(
            ge=0, le=1, description="Share of requests that are logged; failures are always logged."
        ),
    ] = 1.0
    redact: Annotated[
        tuple[str, ...],
        described(
            "Query parameters and fields whose values are never shown, besides those that are "
            'known to carry credentials: "access_token", "api_key", "signature" and their like.'
        ),
    ] = ()


class TimeoutsOptions(Table, frozen=True, kw_only=True):
    """Each clock has its own status and retry rule; "0" switches it off."""

    queue: Annotated[
        Duration,
        described(
            "How long a request waits for a permit, see [concurrency] and [queue]; over it: 503."
        ),
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
            "Like idle, but comments and pings of a stream of events do not count; "
            "over it the reply is cut."
        ),
    ] = seconds(0)
    total: Annotated[
        Duration,
        described("The whole exchange, retries included; over it: 504, or cut after the head."),
    ] = seconds(0)
    per_try: Annotated[
        Duration,
        described(
            "One attempt, up to the head of its reply; over it: 504, unless "
            "another attempt follows."
        ),
    ] = seconds(0)
    tunnel_idle: Annotated[
        Duration,
        described(
            "An upgraded connection ends after this time without a byte in either direction."
        ),
    ] = seconds(3600)
