"""What was probably meant by a name that its table does not have."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from msgspec import inspect

from proxy.config.absent import absent
from proxy.config.foreign import meanings
from proxy.config.model import LISTS
from proxy.config.shapes import root, tables
from proxy.config.similar import plain, suggestion
from proxy.core.findings import Place

_GENERAL: Final = ("timeout", "url")
"""Options of one table that somebody who writes them elsewhere does not mean."""
_ANYWHERE: Final = (
    "address delay file format host hosts interval key level limit max max_age min name path "
    "percent period port sample size status url window"
)
_COMMON: Final = frozenset(_ANYWHERE.split())
"""Names that any feature may have for something of its own: it is not that of another one."""
_WIDE: Final = ((), ("server",), ("routes",), ("upstreams",))
"""Tables that are no feature: what is written there may be meant for one."""
_MEANT: Final = {"max_body": ("server",), "credentials": ("upstreams",)}
"""The one of several tables with an option of this name that is meant wherever it is unknown."""
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def hint(name: str, shape: inspect.StructType, taken: Mapping[str, Any], place: Place) -> str:
    """The end of the sentence ``unknown option``; ``place`` is the table's."""
    here = {field.encode_name for field in shape.fields}
    spelled = _CAMEL.sub("_", name.strip()).replace("-", "_").replace(" ", "_").lower()
    if same := [each for each in here if plain(each) == plain(spelled)]:
        return f", did you mean {same[0]!r}?"
    table = tuple(step for step in place if isinstance(step, str))
    value = taken.get(name)
    rules = table[-1:] in (("request_headers",), ("response_headers",))
    act = rules and any(each.endswith(f".{table[-1]}.remove") for each in meanings(spelled))
    if rules and isinstance(value, str) and not act:
        return f', did you mean set = {{ {name} = "..." }}?'
    if near := absent(spelled, table):
        return near
    if (
        not place
        and isinstance(value, str)
        and name in ("upstream", "server", "servers", "backend")
    ):
        return ', did you mean [[upstreams]] with a name and servers = ["URL"]?'
    if isinstance(value, dict) or (
        isinstance(value, list) and value and isinstance(value[0], dict)
    ):
        aliases = [each[1:-1] for each in meanings(spelled) if each[0] == "["]
        if aliases and not table:
            return f", did you mean {_header((aliases[0],))}?"
    if near := _alias_here(spelled, table, here, taken):
        return near
    is_common = spelled in _COMMON and table not in _WIDE
    for word in dict.fromkeys((name, spelled)):
        if word in _GENERAL:
            continue
        homes = _homes(word, table, tables=isinstance(value, dict) or value is False)
        if is_common:
            homes = [home for home in homes if _around(home, table)]
        if homes:
            if homes == [()]:
                return f", it is a table of its own: {_header((word,))}"
            return f", it belongs in {' or '.join(map(_header, homes))}"
    if is_common:
        longer = [option for option in here - taken.keys() if spelled in option.split("_")]
        return f", did you mean {longer[0]!r}?" if len(longer) == 1 else ""
    if alias := _alias(spelled, table):
        return alias
    if near := suggestion(spelled, here - taken.keys()):
        return near
    if near := suggestion(spelled, here | _index().keys(), parts=False):
        word = near.split("'")[1]
        if word in here:
            return near
        return f"{near[:-1]} in {' or '.join(map(_header, _homes(word, table)))}?"
    return ""


def table_meant(hint: str, value: Any) -> str:
    """The table of the top that a hint names, where a table or a list of them was written."""
    found = re.search(r"did you mean (?:\[+|')(\w+)", hint)
    several = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return found[1] if found and (isinstance(value, dict) or several) else ""


def tables_meant(raw: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the top that are looked at under wrong names, by those names."""
    top = root()
    right = {field.encode_name for field in top.fields}
    found = {
        name: table_meant(hint(name, top, raw, ()), value)
        for name, value in raw.items()
        if name not in right
    }
    return {name: meant for name, meant in found.items() if meant in right - raw.keys()}


def _alias_here(name: str, table: tuple[str, ...], here: set[str], taken: Mapping[str, Any]) -> str:
    mine = []
    for each in meanings(name):
        home, _, option = each.rpartition(".")
        if option in here and home.split(".")[-1] == (table[-1] if table else ""):
            mine.append(option)
    if mine := [option for option in mine if option not in taken] or mine:
        return f", did you mean {' or '.join(map(repr, mine))}?"
    for each in meanings(name):
        home, _, option = each.rpartition(".")
        path = tuple(home.split("."))
        if table and path != table and path[: len(table)] == table and _exists(each):
            return f", did you mean {option!r} in {_header(path)}?"
    # Options of one name mean much the same in all tables, unless the name says for which it is.
    others = [each.rpartition(".") for each in meanings(name) if each[0] != "["]
    means = [option for home, _, option in others if not _says(name, home) and option in here]
    return f", did you mean {means[0]!r}?" if means else ""


def _says(name: str, table: str) -> bool:
    return bool(set(name.split("_")) & set(table.rpartition(".")[2].split("_")))


def _alias(name: str, table: tuple[str, ...]) -> str:
    """What other proxies call an option of another table."""
    known = [each for each in meanings(name) if each[0] == "[" or _exists(each)]
    if not known:
        return ""
    meant = [each for each in known if each[0] == "["] if not table else []
    [target, *_] = meant or [each for each in known if each[0] != "["] or known
    if target[0] == "[":
        own = (*table[:1], target[1:-1])
        there = table[:1] in _index().get(target[1:-1], ())
        return f", did you mean {_header(own if there else own[-1:])}?"
    home, _, option = target.rpartition(".")
    path = tuple(home.split("."))
    if table[:1] == ("routes",) and ("routes", *path) in _index().get(option, ()):
        path = ("routes", *path)
    return f", did you mean {option!r} in {_header(path)}?"


def _exists(dotted: str) -> bool:
    home, _, option = dotted.rpartition(".")
    return tuple(home.split(".")) in _index().get(option, ())


def _homes(name: str, table: tuple[str, ...], *, tables: bool = False) -> list[tuple[str, ...]]:
    """Tables that have this option: those near to ``table``, else those of the top.

    ``tables``: what has this name is a table, so an option of that name is not meant.
    """
    if name in _MEANT:
        return [_MEANT[name]]
    homes = list(dict.fromkeys(_index().get(name, [])))
    if tables and () in homes:
        homes = [home for home in homes if not home or (len(home) == 1 and home[0] in LISTS)]
    near = [home for home in homes if table and home[:1] == table[:1] and home != table]
    top = [home for home in homes if home[:1] not in (("routes",), ("upstreams",))]
    lists = [home for home in homes if len(home) == 1 and home[0] in LISTS]
    return (near or lists + top or homes)[:3]


def _around(home: tuple[str, ...], table: tuple[str, ...]) -> bool:
    """Whether one of two tables is within the other."""
    return bool(home) and (home[: len(table)] == table or table[: len(home)] == home)


@cache
def _index() -> dict[str, list[tuple[str, ...]]]:
    """The tables of every option, by its name; () is the top of the file."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for path, table, _ in tables(root()):
        for field in table.fields:
            found.setdefault(field.encode_name, []).append(path)
    return found


@cache
def _lists() -> frozenset[tuple[str, ...]]:
    """The options that are lists of tables."""
    return frozenset(path for path, _, listed in tables(root()) if listed)


def _header(path: tuple[str, ...]) -> str:
    """A table as its header is written."""
    if not path:
        return "the top of the file"
    if path not in _lists():
        return f"[{'.'.join(path)}]"
    return f"[[{path[0]}]]" if len(path) == 1 else f"an entry of {path[-1]}"
