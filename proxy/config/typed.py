"""Text in the type of its option: references that stand alone, and ``--set``."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import inspect

from proxy.config.model import SWITCHES
from proxy.config.shapes import plain, root
from proxy.core.findings import Place

_INTEGER: Final = re.compile(r"[+-]?[0-9](?:_?[0-9])*")
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SWITCH: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def retype(tree: dict[str, Any], places: Iterable[Place], meant: Mapping[str, str]) -> None:
    """Change strings at these places, in ``tree`` itself, into what their options want.

    ``meant``: the tables of the top that stand under wrong names, by those names.
    Text that cannot be read in that way stays a string, and is reported as any wrong value is.
    """
    for place in places:
        holder: Any = tree
        for step in place[:-1]:
            holder = holder[step]
        text = holder[place[-1]]
        if isinstance(text, str):
            named = meant.get(str(place[0]))
            holder[place[-1]] = _at(root(), (named, *place[1:]) if named else place, text)


def _at(root: inspect.Type, place: Place, text: str) -> Any:
    kinds = [root]
    for step in place:
        for kind in kinds:
            switches = SWITCHES.get(kind.cls, ()) if isinstance(kind, inspect.StructType) else ()
            if step is place[-1] and step in switches and text.strip().lower() == "false":
                return False
        kinds = [plain_kind for kind in kinds for plain_kind in _within(kind, step)]
    if "," in text:  # several, where it may be one or several
        kinds = [kind for kind in kinds if isinstance(kind, inspect.VarTupleType)] or kinds
    for kind in kinds:
        if isinstance(kind, inspect.StrType | inspect.CustomType):
            return text
        if isinstance(kind, inspect.LiteralType) and (len(kinds) == 1 or text in kind.values):
            return text
    for kind in kinds:
        value = _read(kind, text)
        if value is not text:
            return value
    return text


def _within(kind: inspect.Type, step: str | int) -> list[inspect.Type]:
    """The types that a value may have one step further in: a number in a list, or a name."""
    inner = None
    if isinstance(kind, inspect.VarTupleType):
        if isinstance(step, str):  # a table, where a list of them should be
            return _within(plain(kind.item_type), step)
        inner = kind.item_type
    elif isinstance(step, int):
        return []
    elif isinstance(kind, inspect.StructType):
        inner = next((field.type for field in kind.fields if field.encode_name == step), None)
    elif isinstance(kind, inspect.DictType):
        inner = kind.value_type
    if inner is None:
        return []
    inner = plain(inner)
    return (
        [plain(each) for each in inner.types] if isinstance(inner, inspect.UnionType) else [inner]
    )


def _read(kind: inspect.Type, text: str) -> Any:
    word = text.strip()
    if isinstance(kind, inspect.BoolType):
        return _SWITCH.get(word.lower(), text)
    if isinstance(kind, inspect.IntType) and _INTEGER.fullmatch(word):
        return int(word) if len(word) < 30 else text
    if isinstance(kind, inspect.FloatType) and _NUMBER.fullmatch(word):
        return float(word)
    if isinstance(kind, inspect.VarTupleType):
        items = [item.strip() for item in text.split(",") if item.strip()]
        inner = plain(kind.item_type)
        several = inner.types if isinstance(inner, inspect.UnionType) else (inner,)
        if any(isinstance(plain(each), inspect.StrType) for each in several):
            return items
        return [_read(inner, item) for item in items]
    return text
