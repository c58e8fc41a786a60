"""Options from the command line: ``--set PLACE=VALUE``."""

import re
import tomllib
from collections.abc import Iterable
from typing import Any, Final

from proxy.config.limits import DEEPEST, TOO_DEEP, is_deep
from proxy.config.merge import only_route
from proxy.config.problems import spell
from proxy.core.findings import Finding, Place

_STEP: Final = re.compile(
    r"""\.?(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')((?:\[[0-9]{1,6}\])*)"""
)
_LONGEST: Final = 200
"""Signs of an argument that are repeated."""
_TOML: Final = ("[", "{", '"', "'")
"""What a value begins with that is read as TOML; all else is text in the type of its option."""

_TEXT: Final = re.compile(r"""\{\w+\}[^"\\]*$|\[[^]"'\\]*\][^"\\]+$""")
"""What begins as TOML does and is none: a variable in a value, an IPv6 address, a pattern."""


class Overrides:
    """What ``--set`` asks for, put into a tree."""

    def __init__(self, arguments: Iterable[str], tree: dict[str, Any]) -> None:
        """Changes ``tree``."""
        self.findings: list[Finding] = []
        self.texts: list[Place] = []
        """Places whose text takes the type of its option."""
        self.places: list[Place] = []
        for argument in arguments:
            place, mark, text = _split(argument)
            if not place or not mark:
                got = _cut(argument)
                self._wrong((), f"expected PLACE=VALUE such as retry.attempts=4, got {got!r}")
                continue
            if len(place) > DEEPEST:
                self._wrong(place[:1], TOO_DEEP)
                continue
            self._apply(tree, place, text)

    def names(self, place: Place) -> bool:
        """Whether a place was set, or is within what was set."""
        return any(place[: len(each)] == each for each in self.places)

    def holds(self, place: Place) -> bool:
        """Whether something within a place was set."""
        return any(each[: len(place)] == place for each in self.places)

    def _wrong(self, place: Place, message: str) -> None:
        self.findings.append(Finding(place, message))

    def _apply(self, tree: dict[str, Any], place: Place, text: str) -> None:
        self.places.append(place)
        if place[0] == "routes" and len(place) > 1 and not tree.get("routes"):
            tree["routes"] = only_route(tree.get("upstreams"))
            self._forget(("routes",))
        value: Any = text
        if as_toml := text.startswith(_TOML):
            try:
                value = tomllib.loads(f"value = {text}")["value"]
            except (ValueError, RecursionError) as error:
                said = TOO_DEEP if isinstance(error, RecursionError) else error
                meant = f'; as text it is written in quotes: "{text}"' if _TEXT.match(text) else ""
                self._wrong(place, f"not a TOML value: {_cut(text)!r} ({said}){_cut(meant)}")
                return
            if is_deep([value]):
                self._wrong(place, TOO_DEEP)
                return
        holder: Any = tree
        for at, step in enumerate(place):
            last = at == len(place) - 1
            fault = _misplaced(holder, place, at)
            if fault:
                self._wrong(place, fault)
                return
            if isinstance(step, int) and step == len(holder):
                holder.append(None)
            if last:
                holder[step] = value
                self._forget(place)
                self.texts += () if as_toml else (place,)
                return
            inner = holder[step] if isinstance(step, int) else holder.get(step)
            set_off = place[: at + 1] in self.texts and inner.strip().lower() == "false"
            if inner is None or inner is False or set_off:  # this writes a table that was off
                inner = [] if isinstance(place[at + 1], int) else {}
                holder[step] = inner
                self._forget(place[: at + 1])
            holder = inner

    def _forget(self, place: Place) -> None:
        """Another value stands there, so what was set there or within it is gone."""
        self.texts = [each for each in self.texts if each[: len(place)] != place]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _misplaced(holder: Any, place: Place, at: int) -> str:
    """Why there is no such step in what is there."""
    name, step, rest = spell(place[:at]), place[at], place[at + 1 :]
    if isinstance(step, str):
        if isinstance(holder, list):
            if re.fullmatch("[0-9]{1,6}", step):
                steps = [int(each) if str(each).isdecimal() else each for each in (step, *rest)]
                return f"{name} is a list: expected {spell((*place[:at], *steps))}"
            named = any(isinstance(each, dict) and each.get("name") == step for each in holder)
            entry = next((n for n, e in enumerate(holder) if named and e.get("name") == step), 0)
            behind = (entry, *rest) if named else (0, step, *rest)
            return f"{name} is a list: expected {spell((*place[:at], *behind))}"
        return "" if isinstance(holder, dict) else f"{name} is no table"
    if isinstance(holder, dict):
        return f"{name} is a table: no [{step}] is expected behind it"
    if not isinstance(holder, list):
        return f"{name} is no list"
    return "" if step <= len(holder) else f"{name} has only {len(holder)} entries"


def _split(argument: str) -> tuple[Place, str, str]:
    """``routes[0].path=/v1`` is ``(("routes", 0, "path"), "=", "/v1")``; else an empty place."""
    place: list[str | int] = []
    at = 0
    while at < len(argument) and argument[at] != "=":
        found = _STEP.match(argument, at)
        if not found or (at == 0) == found[0].startswith("."):
            return (), "", ""
        place.append(next(part for part in found.groups()[:3] if part is not None))
        place += [int(index) for index in re.findall(r"[0-9]+", found[4])]
        at = found.end()
    _, mark, text = argument[at:].partition("=")
    return tuple(place), mark, text
