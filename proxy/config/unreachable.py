"""Routes that can never match, because another one takes everything they would."""

from collections.abc import Iterator, Sequence

from proxy.core.findings import WARNING, Finding
from proxy.edge.router import RouteOptions, rank
from proxy.http.authority import hostname
from proxy.http.target import literal_path


def shadowed(routes: Sequence[RouteOptions]) -> Iterator[Finding]:
    """Warn of every route whose requests all go to one other route.

    Only certain cases are named: the same host and the same path. A route that several others
    cover together, or a regular expression that covers a prefix, passes unnoticed.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    ranks: dict[int, tuple[int, ...]] = {}
    for index, route in enumerate(routes):
        try:
            ranks[index] = rank(route)
            path = literal_path(route.path, what="path").decode()
        except ValueError:  # a problem of its own
            continue
        prefix = ("", route.path_regex) if route.path_regex else (path,)
        alike.setdefault((hostname(route.host), *prefix), []).append(index)
    for indices in alike.values():
        ranked = sorted(indices, key=ranks.__getitem__)
        for at, index in enumerate(ranked):
            first = next((i for i in ranked[:at] if _covers(routes[i], routes[index])), None)
            if first is not None:
                yield Finding(
                    ("routes", index),
                    f"{WARNING} this route can never match, routes[{first}] takes all its requests",
                )


def _covers(wide: RouteOptions, narrow: RouteOptions) -> bool:
    """Whether every request of ``narrow`` also meets what ``wide`` names beyond host and path."""
    if wide.methods and not (narrow.methods and set(narrow.methods) <= set(wide.methods)):
        return False
    given = {name.lower(): value.strip() for name, value in narrow.headers.items()}
    return all(
        name.lower() in given and value.strip() in ("*", given[name.lower()])
        for name, value in wide.headers.items()
    )
