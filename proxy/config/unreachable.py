"""Routes that can never match, because another one takes everything they would."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.core.findings import Finding, warn
from proxy.edge.router import RouteOptions, rank
from proxy.http.authority import hostname
from proxy.http.target import literal_path

_EVERY: Final = re.compile(r"\^?/?\.\*\$?")


def shadowed(routes: Sequence[RouteOptions]) -> Iterator[Finding]:
    """Warn of every route whose requests all go to one other route.

    Only certain cases are named: the same host and the same path, or an expression that takes every
    path. A route that several others cover together, or an expression that covers a prefix, passes
    unnoticed.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    wide: dict[str, list[int]] = {}
    """Routes whose expression takes every path, by their host."""
    ranks: dict[int, tuple[int, ...]] = {}
    for index, route in enumerate(routes):
        try:
            ranks[index] = rank(route)
            path = literal_path(route.path, what="path").decode()
        except ValueError:  # a problem of its own
            continue
        host = hostname(route.host)
        prefix = ("", route.path_regex) if route.path_regex else (path,)
        alike.setdefault((host, *prefix), []).append(index)
        if _EVERY.fullmatch(route.path_regex):
            wide.setdefault(host, []).append(index)
    for (host, *_), indices in alike.items():
        ranked = sorted(indices, key=ranks.__getitem__)
        for at, index in enumerate(ranked):
            before = [*ranked[:at], *(i for i in wide.get(host, ()) if ranks[i] < ranks[index])]
            first = next((i for i in before if _covers(routes[i], routes[index])), None)
            if first is not None:
                message = f"this route can never match, routes[{first}] takes all its requests"
                yield from warn(("routes", index), message)


def _covers(wide: RouteOptions, narrow: RouteOptions) -> bool:
    """Whether every request of ``narrow`` also meets what ``wide`` names beyond host and path."""
    if wide.methods and not (narrow.methods and set(narrow.methods) <= set(wide.methods)):
        return False
    given = {name.lower(): value.strip() for name, value in narrow.headers.items()}
    return all(
        name.lower() in given and value.strip() in ("*", given[name.lower()])
        for name, value in wide.headers.items()
    )
