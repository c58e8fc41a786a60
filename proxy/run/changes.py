"""What is other in one configuration than in another, in words for operators."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from proxy.config.model import INHERITED, LISTS, SHARED, Config, Route
from proxy.core.redaction import conceal
from proxy.net.addresses import split_listen
from proxy.run.scopes import identity
from proxy.upstream.options import UpstreamOptions, entries

STAYS: Final = ("workers",)
"""Options of ``[server]`` that only a restart changes."""
_NONE: Final[Mapping[str, str]] = {}
_DEFAULTS: Final = frozenset({*INHERITED, *SHARED, *LISTS} - {"errors"})
"""Tables of the top that routes and upstreams carry, and the lists of these."""


class Listening(NamedTuple):
    """What is listened on after a reload, with real ports where 0 was asked for."""

    http: Mapping[str, Sequence[str]] = {}
    """By what was asked for."""
    admin: Mapping[str, str] = {}
    """By the options of ``[admin]``."""


class Report(NamedTuple):
    """What a reload has done, each as in ``route /v1 (timeouts.first_byte)``."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    kept: list[str]
    restart: list[str]
    """What will be other after a restart only."""

    def __str__(self) -> str:
        parts = [
            f"{name} {', '.join(things)}"
            for name, things in (
                ("added", self.added),
                ("changed", self.changed),
                ("removed", self.removed),
                ("needs a restart:", self.restart),
            )
            if things
        ]
        if not parts:
            return "nothing has changed"
        return "; ".join((*parts, "the rest is unchanged"))


def possible(before: Config, asked: Config) -> tuple[Config, list[str]]:
    """``asked`` with what stays as it was until a restart, and the names of that."""
    kept = {name: getattr(before.server, name) for name in STAYS}
    later = [f"[server] {name}" for name in STAYS if getattr(asked.server, name) != kept[name]]
    if not later:
        return asked, later
    server = msgspec.structs.replace(asked.server, **kept)
    return msgspec.structs.replace(asked, server=server), later


def changes(
    before: Config,
    after: Config,
    later: Sequence[str] = (),
    listening: Listening = Listening(),  # noqa: B008 - never changed
) -> Report:
    """From one configuration to the next. Names only, never values, which may be secrets, but for
    ports that nobody knows yet.

    ``later``: what ``possible`` says of them.
    """
    report = Report([], [], [], [], list(later))
    for name in Config.__struct_fields__:
        if name not in _DEFAULTS:
            one, other = getattr(before, name), getattr(after, name)
            found = listening.admin if name == "admin" else {}
            ports = {
                option: at for option, at in found.items() if _any_port(getattr(other, option))
            }
            _compare(report, f"[{name}]", one, other, ports)
    _listeners(report, before, after, listening)
    known = {upstream.name: upstream for upstream in before.upstreams}
    others = {upstream.name: upstream for upstream in after.upstreams}
    for name in (*known, *(name for name in others if name not in known)):
        _compare(report, f"upstream {name}", known.get(name), others.get(name))
        _servers(report, name, known.get(name), others.get(name))
    _routes(report, before.routes, after.routes)
    return report


def _compare(
    report: Report, name: str, before: object, after: object, ports: Mapping[str, str] = _NONE
) -> None:
    """``ports``: the real addresses of options, to be told where those are new."""
    if before is None and after is None:
        return
    if before is None:
        told = ", ".join(f"{option} {address}" for option, address in ports.items())
        report.added.append(f"{name} ({told})" if told else name)
    elif after is None:
        report.removed.append(name)
    elif before == after:
        report.kept.append(name)
    else:
        found = list(differing(before, after))
        now = [
            f"{each} {ports[each]}" if each in ports else each
            for each in found
            if (name, each) != _LISTEN
        ]
        (report.changed if now else report.kept).append(
            f"{name} ({', '.join(now)})" if now else name
        )


_LISTEN: Final = ("[server]", "listen")


def differing(before: object, after: object) -> Iterator[str]:
    """The options that are other, as in ``timeouts.first_byte``."""
    for name in before.__struct_fields__ if isinstance(before, msgspec.Struct) else ():
        one, other = getattr(before, name), getattr(after, name)
        if one == other:
            continue
        if isinstance(one, msgspec.Struct) and type(one) is type(other):
            yield from (f"{name}.{each}" for each in differing(one, other))
        else:
            yield name


def _listeners(report: Report, before: Config, after: Config, listening: Listening) -> None:
    _sets(report, "listener {}", before.server.addresses, after.server.addresses)
    for asked, found in listening.http.items():
        if _any_port(asked) and (name := f"listener {asked}") in report.added:
            report.added[report.added.index(name)] = f"{name} ({', '.join(found)})"


def _any_port(address: str) -> bool:
    return bool(address) and not address.startswith("unix:") and not split_listen(address)[1]


def _servers(
    report: Report, name: str, before: UpstreamOptions | None, after: UpstreamOptions | None
) -> None:
    if before is not None and after is not None:
        one, other = ([conceal(e.url) for e in entries(each)] for each in (before, after))
        _sets(report, f"server {{}} of upstream {name}", one, other)


def _sets(report: Report, words: str, before: Sequence[str], after: Sequence[str]) -> None:
    for each in dict.fromkeys((*before, *after)):
        there, here = each in before, each in after
        found = report.kept if there and here else report.removed if there else report.added
        found.append(words.format(each))


def _routes(report: Report, before: Sequence[Route], after: Sequence[Route]) -> None:
    known, others = _by_identity(before), _by_identity(after)
    for key in dict.fromkeys((*known, *others)):
        route = others.get(key) or known[key]
        _compare(report, f"route {_named(route)}", known.get(key), others.get(key))


def _by_identity(routes: Sequence[Route]) -> dict[Hashable, Route]:
    seen: Counter[Hashable] = Counter()
    found: dict[Hashable, Route] = {}
    for route in routes:
        key = identity(route)
        found[key, seen[key]] = route
        seen[key] += 1
    return found


def _named(route: Route) -> str:
    """Short, and other for every route."""
    methods = f"{' '.join(route.methods)} " if route.methods else ""
    fields = f" with {', '.join(route.headers)}" if route.headers else ""
    return f"{methods}{route.host}{route.path_regex or route.path}{fields}"
