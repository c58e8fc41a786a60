"""What every table of the configuration is made of, and tables that always apply."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.request_key import PATTERN

MODE: Final = "^0?[0-7]{3}$"
"""Permissions in octal."""


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
