"""The options in force, for operators: every one, with its default, and without secrets."""

import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from proxy.config.describe import literal
from proxy.config.hidden import masked, value_of_field
from proxy.config.model import DEFAULTED, Config
from proxy.core.duration import Duration
from proxy.core.findings import Place
from proxy.core.redaction import HIDDEN, conceal
from proxy.core.size import Size

_SHORTEST: Final = 8
"""Letters of a value of the environment that is looked for in options."""


def in_force(config: Config, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Tables of options as JSON has them; an option that is off is null.

    Hidden are options that hold credentials, values of fields, and what comes from the environment.
    """
    shown: dict[str, Any] = _shown(config, (), _known(environ))
    if config.store is None and all(route.cache is None for route in config.routes):
        shown["store"] = None
    return shown


class Unwritten:
    """In the place of ``config/origins`` where nobody knows the file any more."""

    def __init__(self, unwritten: str = "not written in a file") -> None:
        self.unwritten = unwritten

    def line(self, place: Place) -> str:
        """Nobody knows."""
        return ""

    def of(self, own: Place, top: Place) -> tuple[str, Any]:
        """Nobody knows where."""
        return "", None

    def shown(self, place: Place, written: Any, value: Any) -> str:
        """A value as ``in_force`` has it."""
        return literal(_listed(_shown(value, place, _known(os.environ))))


def _listed(value: Any) -> Any:
    return tuple(map(_listed, value)) if isinstance(value, list) else value


def _known(environ: Mapping[str, str]) -> dict[str, str]:
    """What stands for values of the environment."""
    return {
        value: f"${{{name}}}"
        for name, value in environ.items()
        if len(value) >= _SHORTEST and not value.startswith("/")
    }


def _shown(value: Any, place: Place, known: Mapping[str, str]) -> Any:
    if isinstance(value, msgspec.Struct):
        pairs = {name: getattr(value, name) for name in value.__struct_fields__}
        for name in pairs.keys() & DEFAULTED.keys():
            pairs[name] = DEFAULTED[name]() if pairs[name] is None else pairs[name]
        return {name: _shown(each, (*place, name), known) for name, each in pairs.items()}
    if isinstance(value, dict):
        return {str(name): _shown(each, (*place, name), known) for name, each in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_shown(each, (*place, index), known) for index, each in enumerate(value)]
    if isinstance(value, Duration | Size):
        return str(value)
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float | None) else conceal(str(value))
    if value and value_of_field(place):
        return HIDDEN
    for secret, name in known.items():
        value = value.replace(secret, name)
    return conceal(str(masked(place, None, value)), fields=False)
