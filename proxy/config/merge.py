"""Tables of the top handed down to the routes, on raw tables, before they become options."""

from collections.abc import Mapping, Set
from typing import Any

import msgspec

from proxy.config.model import INHERITED, SHARED
from proxy.core.options import TimeoutsOptions


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
        tree["routes"] = _only_route(tree.get("upstreams"))
    for kind, names in (("routes", INHERITED), ("upstreams", SHARED)):
        if isinstance(tree.get(kind), list):
            tree[kind] = [
                _inherit(tree, entry, names, off) if isinstance(entry, dict) else entry
                for entry in tree[kind]
            ]
    return tree


def _only_route(upstreams: Any) -> list[dict[str, Any]]:
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
    return merged


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
