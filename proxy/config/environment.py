"""Values from the environment: ``${NAME}``, ``${NAME:-default}``; ``$$`` is ``$``."""

import re
from collections.abc import Mapping
from typing import Any, Final

from proxy.config.problems import Finding, Place

_REFERENCE: Final = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Unresolved(Exception):
    """A reference that has no value, with a sentence for the operator."""


def substitute(
    tree: Any, environ: Mapping[str, str], place: Place = ()
) -> tuple[Any, list[Finding]]:
    """Replace the references in every string value. What has no value stays and is reported."""
    findings: list[Finding] = []

    def walk(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*place, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            return _REFERENCE.sub(lambda found: _resolve(found, environ), value)
        except _Unresolved as error:
            findings.append(Finding(place, str(error)))
            return value

    return walk(tree, place), findings


def _resolve(found: re.Match[str], environ: Mapping[str, str]) -> str:
    """One reference. As in a shell, ``:-`` also replaces what is set but empty."""
    if found[0] == "$$":
        return "$"
    name, dash, default = found[1].partition(":-")
    if not found[2] or not _NAME.fullmatch(name):
        raise _Unresolved(
            f'expected "${{NAME}}" or "${{NAME:-default}}", got {found[0]!r}; a "$" itself is "$$"'
        )
    value = environ.get(name)
    if dash:
        return value or default
    if value is None:
        raise _Unresolved(f"environment variable {name} is not set and has no default")
    return value
