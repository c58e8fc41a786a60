"""The second look at a file that msgspec refused: every value against its declaration.

msgspec stops at the first mistake. This walk finds them all and leaves wrong values out, so that
checks across options can still be made. ``hints``, ``wrong_units`` and ``names`` say what was
meant.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, time
from typing import Any, Final

from msgspec import inspect

from proxy.config import forms, hints, names, wrong_units
from proxy.config.model import SWITCHES, Config, read_unit
from proxy.config.problems import secret
from proxy.config.shapes import plain, root
from proxy.core.findings import Finding, Place

MISSING: Final = "required, but missing"

_WRONG: Final = object()
_LARGEST: Final = 10**60
"""A value that has been reported and is left out."""


def examine(raw: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The usable part of a raw tree, and what is wrong with the rest."""
    walk = _Walk()
    return walk.table(root(), raw, ()), walk.findings


class _Walk:
    """Collects findings on the way through one tree."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def wrong(self, place: Place, message: str) -> Any:
        """Report a value and leave it out."""
        self.findings.append(Finding(place, message))
        return _WRONG

    def table(self, shape: inspect.StructType, raw: dict[str, Any], place: Place) -> dict[str, Any]:
        """Every option of one table; what is required and missing gets a stand-in."""
        fields = {field.encode_name: field for field in shape.fields}
        switches = SWITCHES.get(shape.cls, ())
        usable: dict[str, Any] = {}
        for name, value in raw.items():
            if name not in fields:
                near = names.hint(name, shape, raw, place)
                self.wrong((*place, name), f"unknown option{near}")
                meant = names.table_meant(near, value)
                if not place and meant in fields and meant not in raw:
                    self.within(meant, fields[meant].type, value, (name,), usable)
            elif name in switches and value is False:
                usable[name] = False
            else:
                found = self.value(fields[name].type, value, (*place, name))
                if found is not _WRONG:
                    usable[name] = found
        for name, field in fields.items():
            if field.required and name not in usable:
                if name not in raw:
                    self.wrong((*place, name), MISSING)
                usable[name] = stand_in(field.type)
        return usable

    def within(
        self, meant: str, kind: inspect.Type, raw: Any, place: Place, usable: dict[str, Any]
    ) -> None:
        """What stands in a table with the wrong name, as if it had the right one."""
        kind = plain(kind)
        if isinstance(kind, inspect.VarTupleType) and isinstance(raw, dict):
            inner = plain(kind.item_type)
            assert isinstance(inner, inspect.StructType)
            found: Any = [self.table(inner, raw, place)]
        elif isinstance(raw, list) and not isinstance(kind, inspect.VarTupleType):
            return  # a list of tables for one, which has been said
        else:
            found = self.value(kind, raw, place)
        if found is not _WRONG:
            usable[meant] = found

    def value(self, kind: inspect.Type, raw: Any, place: Place, words: Sequence[str] = ()) -> Any:
        """One value of any kind, as far as it is usable; ``words`` may stand there as well."""
        kind = plain(kind)
        if isinstance(kind, inspect.UnionType):
            words = [word for each in kind.types for word in getattr(each, "values", ())]
            if isinstance(raw, str) and raw in words:
                return raw
            return self.value(_branch(kind, raw), raw, place, words)
        if isinstance(kind, inspect.StructType):
            if not isinstance(raw, dict):
                return self.no_table(kind, raw, place)
            return self.table(kind, raw, place)
        if isinstance(kind, inspect.VarTupleType):
            return self.items(kind, raw, place)
        if isinstance(kind, inspect.DictType):
            if not isinstance(raw, dict):
                near = hints.pairs(raw)
                return self.wrong(place, f"expected a table, got {shown(raw)}{near}")
            pairs = {key: self.value(kind.value_type, raw[key], (*place, key)) for key in raw}
            return {key: value for key, value in pairs.items() if value is not _WRONG}
        complaint = _COMPLAINTS[type(kind)](kind, raw)
        if complaint and secret(place):
            complaint = complaint.partition(", got ")[0]
        elif complaint:
            if words:
                more = f' or "{", ".join(words)}", got '
                complaint = complaint.replace(", got ", more, 1) + hints.word(raw, list(words))
            complaint += hints.without(place[-1], raw) or hints.several(place, raw)
        return self.wrong(place, complaint) if complaint else raw

    def no_table(self, kind: inspect.StructType, raw: Any, place: Place) -> Any:
        """Report what stands where a table should."""
        name = place[-1] if place and isinstance(place[-1], str) else ""
        parents = {"routes": "Route", "upstreams": "Upstream"}
        owner = Config.__name__ if len(place) == 1 else parents.get(str(place[0]), "")
        off = any(name in names_ for cls, names_ in SWITCHES.items() if cls.__name__ == owner)
        wanted = "a table or false" if off else "a table"
        got = "" if secret(place) else f", got {shown(raw)}"
        near = hints.table(kind.cls.__name__, place, raw, switch=off) if name else ""
        return self.wrong(place, f"expected {wanted}{got}{near}")

    def single(self, kind: inspect.StructType, raw: dict[str, Any], place: Place) -> Any:
        """``[routes]`` where ``[[routes]]`` is meant, or ``[routes.api]`` for one with a name."""
        name = ".".join(step for step in place if isinstance(step, str))
        fields = {field.encode_name for field in kind.fields}
        if raw and not fields & raw.keys() and all(isinstance(v, dict) for v in raw.values()):
            key = next(iter(raw))
            near = f' with name = "{key}"' if "name" in fields else ""
            self.wrong(place, f"expected [[{name}]]{near}, got [{name}.{key}]")
            return [
                self.table(kind, {"name": each, **inner} if near else inner, (*place, each))
                for each, inner in raw.items()
            ]
        if raw and not fields & raw.keys() and all(isinstance(v, str) for v in raw.values()):
            key = next(iter(raw))
            if "path" in fields:  # a route, which has no name
                return self.wrong(place, f'expected [[{name}]] with path = "{key}" and upstream')
            return self.wrong(place, f'expected [[{name}]] with name = "{key}" and its options')
        self.wrong(place, f"expected [[{name}]], a list of tables, got [{name}]")
        return [self.table(kind, raw, place)]

    def items(self, kind: inspect.VarTupleType, raw: Any, place: Place) -> Any:
        """A list; a wrong item gets a stand-in, so that the others keep their index."""
        if not isinstance(raw, list):
            inner = plain(kind.item_type)
            if isinstance(inner, inspect.StructType) and isinstance(raw, dict):
                return self.single(inner, raw, place)
            wanted = hints.listed(place)
            return self.wrong(place, f"expected {wanted}, got {shown(raw)}{hints.items(raw)}")
        low, high = kind.min_length or 0, kind.max_length
        if len(raw) < low or (high is not None and len(raw) > high):
            wanted = f"exactly {low}" if low == high else f"at least {low}"
            return self.wrong(place, f"expected {wanted} in the list, got {len(raw)}")
        found = [self.value(kind.item_type, item, (*place, at)) for at, item in enumerate(raw)]
        return [stand_in(kind.item_type) if item is _WRONG else item for item in found]


def stand_in(kind: inspect.Type) -> Any:
    """A value that converts; its place is already reported, so nobody sees it."""
    kind = plain(kind)
    if isinstance(kind, inspect.UnionType):
        kind = kind.types[0]
    if isinstance(kind, inspect.StructType):
        return {f.encode_name: stand_in(f.type) for f in kind.fields if f.required}
    if isinstance(kind, inspect.VarTupleType):
        return [stand_in(kind.item_type)] * (kind.min_length or 0)
    if isinstance(kind, inspect.StrType) and kind.pattern:
        return "timeout"
    return "?"


def shown(raw: Any) -> str:
    """A value in the words of a TOML file."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, dict):
        return "a table"
    if isinstance(raw, list):
        return "a list"
    if isinstance(raw, int) and abs(raw) > _LARGEST:  # Python writes no number of 5,000 digits
        return "a number that is far too large"
    if isinstance(raw, str | int | float):
        text = repr(raw)
        return text if len(text) <= 60 else f"{text[:56]}...{text[0]}"
    if isinstance(raw, date | time):
        return "a date or time"
    return f"a {type(raw).__name__}"  # not from a file: tables of Python


def _branch(kind: inspect.UnionType, raw: Any) -> inspect.Type:
    """The member of a union that a value was meant for: by its shape, else the first."""
    shapes: dict[type, type[inspect.Type]] = {
        dict: inspect.StructType,
        list: inspect.VarTupleType,
    }
    wanted = shapes.get(type(raw), inspect.StrType)
    return next((each for each in kind.types if isinstance(each, wanted)), kind.types[0])


def _integer(kind: inspect.IntType, raw: Any) -> str:
    if isinstance(raw, int) and not isinstance(raw, bool) and _between(kind, raw):
        return ""
    return f"expected a whole number{_range(kind)}, got {shown(raw)}{_near(kind, raw)}"


def _number(kind: inspect.FloatType, raw: Any) -> str:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and _between(kind, raw):
        return ""
    return f"expected a number{_range(kind)}, got {shown(raw)}{_near(kind, raw)}"


def _near(kind: inspect.IntType | inspect.FloatType, raw: Any) -> str:
    """The number that is meant by a string, or by a percentage."""
    found = hints.number(raw, whole=isinstance(kind, inspect.IntType), high=kind.le)
    return wrong_units.meant(str(found)) if found is not None and _between(kind, found) else ""


def _between(kind: inspect.IntType | inspect.FloatType, raw: float) -> bool:
    # 64 bits: TOML promises no more, and msgspec takes none
    if isinstance(raw, int) and not -(2**63) <= raw < 2**63:
        return False
    return (
        (kind.gt is None or raw > kind.gt)
        and (kind.ge is None or raw >= kind.ge)
        and (kind.le is None or raw <= kind.le)
    )


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    if kind.gt is not None:
        return f" above {kind.gt:g}" + (f", at most {kind.le:g}" if kind.le is not None else "")
    return "" if kind.ge is None else f" of at least {kind.ge}"


def _text(kind: inspect.StrType, raw: Any) -> str:
    if not isinstance(raw, str):
        near = forms.hint(kind.pattern, raw) if kind.pattern else ""
        return f"expected a string, got {shown(raw)}{near or hints.text(raw)}"
    if len(raw) < (kind.min_length or 0):
        return "must not be empty"
    if kind.pattern and not re.search(kind.pattern, raw):
        near = forms.hint(kind.pattern, raw)
        return f"expected {forms.expected(kind.pattern)}, got {shown(raw)}{near}"
    return ""


def _switch(_: inspect.BoolType, raw: Any) -> str:
    if isinstance(raw, bool):
        return ""
    return f"expected true or false, got {shown(raw)}{hints.switch(raw)}"


def _choice(kind: inspect.LiteralType, raw: Any) -> str:
    if isinstance(raw, str) and raw in kind.values:
        return ""
    words = [str(value) for value in kind.values if value]
    if not isinstance(raw, str) and str(raw) in words:
        return f'expected "{raw}", in quotes'
    none = ' or ""' if "" in kind.values else ""
    return f"expected one of {', '.join(words)}{none}, got {shown(raw)}{hints.word(raw, words)}"


def _unit(kind: inspect.CustomType, raw: Any) -> str:
    """Durations and sizes explain themselves."""
    try:
        read_unit(kind.cls, raw)
    except ValueError as error:
        meant = wrong_units.unit(kind.cls, raw)
        return f"{str(error).partition(', got ')[0]}, got {shown(raw)}{meant}"
    return ""


_COMPLAINTS: Final[dict[type[inspect.Type], Callable[[Any, Any], str]]] = {
    inspect.IntType: _integer,
    inspect.FloatType: _number,
    inspect.StrType: _text,
    inspect.BoolType: _switch,
    inspect.LiteralType: _choice,
    inspect.CustomType: _unit,
}
