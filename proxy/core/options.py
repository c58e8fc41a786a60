"""What every table of the configuration is made of, and tables that always apply."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from proxy.core.duration import Duration, seconds

MODE: Final = "^0?[0-7]{3}$"
"""Permissions in octal."""
MOST: Final = 1_000_000_000
"""Of a number that has no other bound: TOML also knows ``inf``."""


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
        Duration,
        described(
            "How long requests in flight may take to finish before they are cut; "
            '"0": they are never cut.'
        ),
    ] = seconds(30)
