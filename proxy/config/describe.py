"""The declarations as text: what the reference and the commented file are made from."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from proxy.config.shapes import plain
from proxy.core.duration import AutoDuration, Duration
from proxy.core.size import Size


class Option(NamedTuple):
    """One option, or a table within a table."""

    name: str
    kind: str
    default: str
    """As TOML writes it; in words for a table that always applies."""
    description: str
    table: inspect.StructType | None
    instead: inspect.StructType | None = None
    """The table that may stand in the place of a text, or of each one in a list."""


def options(table: inspect.StructType) -> Iterator[Option]:
    """What a table may hold, in the order of its class."""
    for field in table.fields:
        kind = plain(field.type)
        inner = _item(kind)
        value = None if field.required else default_of(field)
        yield Option(
            field.encode_name,
            words(kind),
            "its defaults" if isinstance(value, msgspec.Struct) else literal(value),
            _description(field.type),
            inner if isinstance(inner, inspect.StructType) else None,
            _instead(inner),
        )


def _item(kind: inspect.Type) -> inspect.Type:
    """The table that an option holds, once or in a list, or either way; else the type itself."""
    if isinstance(kind, inspect.VarTupleType):
        return kind.item_type
    if isinstance(kind, inspect.UnionType):
        first, *others = map(_item, kind.types)
        return first if all(other == first for other in others) else kind
    return kind


def _instead(kind: inspect.Type) -> inspect.StructType | None:
    """The table among the types that an option may have."""
    if isinstance(kind, inspect.UnionType):
        return next((each for each in kind.types if isinstance(each, inspect.StructType)), None)
    return None


def summary(table: inspect.StructType) -> str:
    """The docstring of its class."""
    return " ".join((table.cls.__doc__ or "").split())


def default_of(field: inspect.Field) -> Any:
    """The default of an option that is not required."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def literal(value: Any) -> str:
    """A value as TOML writes it; nothing for a table."""
    if value is None or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Duration | Size):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        pairs = [f"{key} = {literal(inner)}" for key, inner in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    return json.dumps(value) if isinstance(value, str) else str(value)


def words(kind: inspect.Type) -> str:
    """A type for the reader of the reference."""
    kind = plain(kind)
    if isinstance(kind, inspect.VarTupleType):
        item = words(kind.item_type)
        return f"list of {item}" if " " in item else f"list of {item}s"
    if isinstance(kind, inspect.UnionType):
        return " or ".join(words(each) for each in kind.types)
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(f'`"{value}"`' for value in kind.values)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        name = "integer" if isinstance(kind, inspect.IntType) else "number"
        if kind.ge is not None and kind.le is not None:
            return f"{name}, {kind.ge} to {kind.le}"
        if kind.gt is not None and kind.le is not None:
            return f"{name}, above {kind.gt}, {kind.le} at most"
        return name if kind.ge is None else f"{name}, at least {kind.ge}"
    if isinstance(kind, inspect.CustomType):
        return 'duration or `"auto"`' if kind.cls is AutoDuration else kind.cls.__name__.lower()
    names = {inspect.StrType: "string", inspect.BoolType: "true or false"}
    return names.get(type(kind), "table")


def _description(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", ""))
    return ""
