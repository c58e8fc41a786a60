"""What every table of the configuration is made of."""

from typing import Any, Final

import msgspec
from msgspec import Meta

MODE: Final = "^0?[0-7]{3}$"
"""Permissions in octal."""
MOST: Final = 1_000_000_000
"""Of a number that has no other bound: TOML also knows ``inf``."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration file."""


def described(text: str) -> Any:
    """The description that becomes the reference, the schema and the comments."""
    return Meta(description=text)
