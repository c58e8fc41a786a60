"""Values from the environment: ``${NAME}``, ``${NAME:-default}``; ``$$`` is ``$``."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from proxy.core.findings import Finding, Place

_REFERENCE: Final = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Origin(NamedTuple):
    """What a value is made from that does not stand in the file."""

    variables: tuple[str, ...]
    """Names of environment variables, in the order of their references."""
    alone: bool
    """The string is one reference and nothing else: it takes the type of its option."""


class Substituted(NamedTuple):
    """A tree with its references replaced."""

    tree: Any
    findings: list[Finding]
    """References that have no value; they stay as they are."""
    origins: dict[Place, Origin]


class _Unresolved(Exception):
    """A reference that has no value, with a sentence for the operator."""


def substitute(tree: Any, environ: Mapping[str, str]) -> Substituted:
    """Replace the references in every string value. What has no value stays and is reported."""
    found = Substituted(None, [], {})
    return found._replace(tree=_walked(tree, environ, (), found))


def _walked(value: Any, environ: Mapping[str, str], place: Place, found: Substituted) -> Any:
    """The value without references; tells ``found`` what there was."""
    if isinstance(value, dict):
        return {key: _walked(inner, environ, (*place, key), found) for key, inner in value.items()}
    if isinstance(value, list):
        entries = enumerate(value)
        return [_walked(inner, environ, (*place, index), found) for index, inner in entries]
    if not isinstance(value, str):
        return value
    if not _is_utf8(value):  # of the command line
        found.findings.append(Finding(place, "it is not UTF-8"))
        return value.encode("utf-8", "replace").decode()
    if "$" not in value:
        return value
    try:
        result = _REFERENCE.sub(lambda reference: _resolve(reference, environ), value)
    except _Unresolved as error:
        found.findings.append(Finding(place, str(error)))
        return value
    references = [each for each in _REFERENCE.finditer(value) if each[0] != "$$"]
    if references:
        names = tuple(each[1].partition(":-")[0] for each in references)
        found.origins[place] = Origin(names, alone=references[0][0] == value)
    return result


def _resolve(found: re.Match[str], environ: Mapping[str, str]) -> str:
    """One reference. As in a shell, ``:-`` also replaces what is set but empty."""
    if found[0] == "$$":
        return "$"
    name, dash, default = found[1].partition(":-")
    if "${" in found[1]:
        raise _Unresolved(
            "one ${} cannot stand within another: a default is text, "
            'as in "${NAME:-default}", which ends at the first }'
        )
    if found[2] and name.isdigit():
        raise _Unresolved(
            f'{found[0]!r} would be an environment variable; a group of a pattern is "\\{name}", '
            'and a "$" itself is "$$"'
        )
    if not found[2] or not _NAME.fullmatch(name):
        raise _Unresolved(
            f'expected "${{NAME}}" or "${{NAME:-default}}", got {_shown(found, name)}; '
            f'a "$" itself is "$$"'
        )
    value = environ.get(name)
    if value is not None and not _is_utf8(value):
        raise _Unresolved(f"environment variable {name} is not UTF-8")
    if dash:
        return value or default
    if value is None:
        raise _Unresolved(f"environment variable {name} is not set and has no default")
    return value


def _is_utf8(value: str) -> bool:
    """Python stands in for other bytes by what no text can hold (PEP 383)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(found: re.Match[str], name: str) -> str:
    """A reference that cannot be read, with the form that was probably meant."""
    bare, mark, default = name.strip().removeprefix("env:").removeprefix("env.").partition(":")
    if not mark:  # "${NAME-default}" is a shell's too
        bare, mark, default = bare.partition("-")
    meant = ""
    if found[2] and _NAME.fullmatch(bare):
        rest = f":-{default.lstrip('-=?+')}" if mark else ""
        meant = f", did you mean '${{{bare}{rest}}}'?"
    return f"{found[0]!r}{meant}"
