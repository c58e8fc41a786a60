"""Where the values of a configuration were written: in the file, over it, or nowhere."""

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from proxy.config.describe import literal
from proxy.config.hidden import masked
from proxy.config.lines import Lines
from proxy.config.overrides import Overrides
from proxy.config.problems import spell
from proxy.core.findings import Place, at
from proxy.core.redaction import conceal


class Told(Protocol):
    """Where options were written, and how they are shown."""

    unwritten: str
    """Why ``line`` is empty for a route."""

    def line(self, place: Place) -> str:
        """``FILE:LINE``; empty where nobody wrote it, or nobody knows."""

    def of(self, own: Place, top: Place) -> tuple[str, Any]:
        """Where a value comes from, and how it is written there."""

    def shown(self, place: Place, written: Any, value: Any) -> str:
        """A value without secrets, as TOML writes it."""


class Origins:
    """Of a file that is valid, with what ``--set`` puts over it."""

    unwritten = "not written: the only upstream takes everything"

    def __init__(self, path: str, sets: Sequence[str]) -> None:
        text = Path(path).read_text(encoding="utf-8-sig")
        self._name = os.path.basename(path)
        self._lines = Lines(text)
        self._raw = tomllib.loads(text)
        self._sets = Overrides(sets, self._raw)

    def line(self, place: Place) -> str:
        """``FILE:LINE``, or the command line; empty where nobody wrote it."""
        if place in self._lines:
            return f"{self._name}:{self._lines.of(place)}"
        return "" if at(self._raw, place) is None else "--set"

    def of(self, own: Place, top: Place) -> tuple[str, Any]:
        """Where a value of a route or an upstream comes from, and how it is written there.

        ``top``: the place from which it is inherited. ``FILE:LINE [TABLE]``, or ``default``.
        """
        for place in (own, top):
            for written in (place, place[:-1]):
                value = at(self._raw, written)
                if value is False or (value is not None and written is place):
                    return self._said(written), value
            if at(self._raw, own[:-1]) is not None and at(self._raw, top[:-1]) is False:
                break  # what is off at the top begins with its defaults in the table that is there
        return "default", None

    def shown(self, place: Place, written: Any, value: Any) -> str:
        """A value without secrets, as TOML writes it; ``written`` is what ``of`` gives."""
        return conceal(literal(masked(place, written, value)))

    def _said(self, place: Place) -> str:
        over = self._sets.names(place) or self._sets.holds(place)
        table = f" [{spell(place[:-1])}]" if place[:-1] else ""
        return f"{'--set' if over else self.line(place)}{table}"
