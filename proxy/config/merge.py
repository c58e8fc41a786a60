"""Tables of the top handed down to the routes, on raw tables, before they become options."""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Final

import msgspec

from proxy.config.model import INHERITED, MERGED, SHARED
from proxy.core.duration import Duration
from proxy.core.findings import Place, at
from proxy.core.timeouts import TimeoutsOptions
from proxy.middleware.concurrency.options import ConcurrencyOptions
from proxy.middleware.deadline.options import DeadlineOptions


def merge(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Give every route its own copy of what it inherits, and resolve ``= false``.

    Values of a wrong shape are left as they are; the conversion reports them.
    """
    tree = dict(raw)
    if tree.get("admin") is False:
        del tree["admin"]
    off = {name for name in (*INHERITED, *SHARED) if tree.get(name) is False}
    for name in off:
        tree[name] = _off(name)
    if tree.get("routes", []) == []:
        tree["routes"] = only_route(tree.get("upstreams"))
    for kind, names in MERGED.items():
        if isinstance(tree.get(kind), list):
            tree[kind] = [
                _inherit(tree, entry, names, off) if isinstance(entry, dict) else entry
                for entry in tree[kind]
            ]
    return tree


def written_at(place: Place, raw: Mapping[str, Any]) -> Place:
    """Where the file writes an option: at the top, where an entry has inherited it."""
    if len(place) < 3 or place[0] not in ("routes", "upstreams") or place[2] not in raw:
        return place
    entries, [_, index, *inherited] = raw.get(str(place[0])) or (), place
    own = entries[index] if isinstance(index, int) and index < len(entries) else {}
    return tuple(inherited) if _depth(raw, inherited) > _depth(own, inherited) else place


def _depth(tree: Any, place: Sequence[str | int]) -> int:
    """How many steps of a place are there."""
    steps = range(1, len(place) + 1)
    return sum(at(tree, tuple(place[:depth])) is not None for depth in steps)


def only_route(upstreams: Any) -> list[dict[str, Any]]:
    """Without routes a single upstream takes everything."""
    if isinstance(upstreams, list) and len(upstreams) == 1 and isinstance(upstreams[0], dict):
        return [{"upstream": upstreams[0].get("name")}]
    return []


def _inherit(
    top: Mapping[str, Any], entry: dict[str, Any], names: tuple[str, ...], off: Set[str]
) -> dict[str, Any]:
    """Over a table that is ``off`` at the top, one that is written begins with its defaults."""
    merged = dict(entry)
    for name in names:
        own = entry.get(name)
        if own is False:
            merged[name] = _off(name)
        elif own is None:
            if name in top:
                merged[name] = top[name]
        elif isinstance(own, dict) and isinstance(top.get(name), dict) and name not in off:
            merged[name] = _merged(top[name], own)
    for name in _LIMITS.keys() & names:
        if isinstance(merged.get(name), dict):
            merged[name] = _LIMITS[name](merged[name], merged)
    return merged


def _concurrency(table: dict[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    """A ``min`` that nobody wrote is no more than ``max_requests``."""
    most = table.get("max_requests")
    if "min" in table or type(most) is not int or not 0 < most < ConcurrencyOptions().min:
        return table
    return {**table, "min": most}


def _deadline(table: dict[str, Any], route: Mapping[str, Any]) -> dict[str, Any]:
    """A ``reserve`` that nobody wrote leaves most of ``max``, and of ``total``."""
    clocks, reserve = route.get("timeouts"), DeadlineOptions().reserve
    total = clocks.get("total") if isinstance(clocks, dict) else None
    short = [each for each in (_seconds(table.get("max")), _seconds(total)) if 0 < each <= reserve]
    if "reserve" in table or not short:
        return table
    return {**table, "reserve": str(Duration(min(short) / 10))}


def _seconds(written: Any) -> float:
    """0 if it is no duration."""
    try:
        return Duration.parse(written)
    except (ValueError, OverflowError):
        return 0.0


_LIMITS: Final[Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]]] = {
    "concurrency": _concurrency,
    "deadline": _deadline,
}
"""Where one option bounds another: a default gives way to what is written."""


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Key by key, nested tables too; lists are replaced."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        result[key] = _merged(under, value) if both and under is not None else value
    return result


def _off(name: str) -> dict[str, Any] | None:
    """What ``NAME = false`` means: every clock stopped, other tables absent."""
    if name == "timeouts":
        return {clock.name: "0" for clock in msgspec.structs.fields(TimeoutsOptions)}
    return None
