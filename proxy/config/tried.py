"""Suggestions, each tried: what would be refused as well is not suggested.

All are put in their places at once, and the whole is looked at again: so a file with many mistakes
is looked at twice, not once for each.
"""

import contextlib
import copy
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from proxy.core.findings import WARNING, Finding, Place, at

MARK: Final = ", did you mean "
_SUGGESTION: Final = re.compile(rf"{MARK}(.+)\?$")
_NAMES: Final = ("unknown option", 'expected "${NAME}"')
"""What a message begins with that suggests a name, or a reference that has no value here."""


class _Trial(NamedTuple):
    """A value, and where it would stand."""

    place: Place
    value: Any


def tried(
    findings: Iterable[Finding], tree: Any, check: Callable[[Any], Iterable[Finding]]
) -> list[Finding]:
    """The findings, without suggestions that are of no use.

    ``check``: what is wrong with a tree that is like ``tree``, which is not changed.
    """
    findings = [
        # what no file of TOML may hold
        each if each.message.partition(MARK)[2].isprintable() else _plain(each)
        for each in findings
    ]
    trials = [_trial(finding, tree) for finding in findings]
    if not any(trials):
        return findings
    changed = copy.deepcopy(tree)
    for finding, trial in zip(findings, trials, strict=True):
        if trial is not None:
            # Another trial may have taken the place away: then the two are seen as one.
            with contextlib.suppress(KeyError, IndexError, TypeError):
                holder = at(changed, trial.place[:-1])
                holder[trial.place[-1]] = trial.value
                if trial.place[-1] != finding.place[-1] and isinstance(holder, dict):
                    holder.pop(finding.place[-1], None)  # another option in the place of this one
    found = list(check(changed))
    return [
        _plain(finding)
        if trial is not None and _useless(trial, tree, _against(finding, found))
        else finding
        for finding, trial in zip(findings, trials, strict=True)
    ]


def without_suggestion(message: str) -> str:
    """What is wrong, without what was meant."""
    return message.partition(MARK)[0]


def _plain(finding: Finding) -> Finding:
    return Finding(finding.place, without_suggestion(finding.message))


def _against(finding: Finding, found: list[Finding]) -> list[Place]:
    """The places of what counts: a warning says nothing against what is wrong otherwise."""
    mild = finding.message.startswith(WARNING)
    return [place for place, message in found if mild or not message.startswith(WARNING)]


def _useless(trial: _Trial, tree: Any, refused: list[Place]) -> bool:
    """Whether it is what stands there already, or would be refused."""
    depth = len(trial.place)
    if any(place[:depth] == trial.place for place in refused):
        return True
    given = at(tree, trial.place)
    return type(given) is type(trial.value) and bool(given == trial.value)


def _trial(finding: Finding, tree: Any) -> _Trial | None:
    """The value that a message suggests; None where it is no value of one option."""
    place, message = finding
    found = _SUGGESTION.search(message)
    if not found or not place or message.startswith(_NAMES) or "${" in found[1]:
        return None
    if at(tree, place) is None:
        return None
    holder = at(tree, place[:-1])
    first = re.sub(r'" or ".*', '"', found[1])
    if (value := _read(f"value = {first}")) is not None:
        if isinstance(place[-1], int) and isinstance(value["value"], list):  # several for one
            several = [*holder[: place[-1]], *value["value"], *holder[place[-1] + 1 :]]
            return _Trial(place[:-1], several)
        return _Trial(place, value["value"])
    pair = _read(found[1])
    if not pair or len(pair) > 1 or not isinstance(holder, dict):
        return None
    [(name, meant)] = pair.items()
    return _Trial((*place[:-1], name), meant) if found[1].startswith(f"{name} = ") else None


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
