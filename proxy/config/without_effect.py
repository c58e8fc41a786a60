"""Options that the file writes and that never do anything beside what else it writes.

An option of the top counts for all that inherit it: where it does something in one of them, nothing
is said. So such a warning is never given by the ``problems`` of a table, which see one entry at a
time: it is in ``effects``.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from proxy.config.effects import EFFECTS, UNCOUNTED, Reasons
from proxy.config.model import Config
from proxy.core.findings import Finding, Place, Written, at


def without_effect(
    config: Config, raw: Mapping[str, Any], unsettled: Collection[Place]
) -> Iterator[Finding]:
    """The messages of warnings; ``raw`` tells what the file writes.

    Nothing is said of an option beside which another one of its table is ``unsettled``, see
    ``crosscheck``.
    """
    beside = {_in_table(place) for place in unsettled}
    for place, message in _all(config, raw):
        table, option = _in_table(place)
        if not any(name == table and other != option for name, other in beside):
            yield Finding(place, message)


def is_unsettled(place: Place, unsettled: Collection[Place]) -> bool:
    """Whether the value at this place, or a part of it, may be another one."""
    return any(each[: len(place)] == place for each in unsettled)


def _in_table(place: Place) -> tuple[Place, Place]:
    """The name of a table and the place in it, wherever that table is written."""
    place = place[2:] if place[:1] in (("routes",), ("upstreams",)) else place
    return place[:1], place[1:]


def _all(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _log(config, raw.get("log") or {})
    yield from _store(config, raw.get("store") or {})
    for kind, tables in EFFECTS.items():
        entries = enumerate(getattr(config, kind))
        written = [Written(raw, (kind, index), entry) for index, entry in entries]
        for table, reasons in tables.items():
            yield from _of(config, raw, written, table, reasons)


def _of(
    config: Config,
    raw: Mapping[str, Any],
    written: Sequence[Written],
    table: str,
    reasons: Callable[[Config, Any, Any], Reasons],
) -> Iterator[Finding]:
    """What does nothing in one table, which routes or upstreams write or inherit."""
    whys: list[dict[str, str]] = []
    for each in written:
        options = getattr(each.options, table)
        whys.append({} if options is None else dict(reasons(config, each.options, options)))
    for option in dict.fromkeys(name for found in whys for name in found):
        uncounted = table == "rate_limit" and option in UNCOUNTED
        found: dict[Place, list[str]] = {}
        parts: dict[Place, list[str]] = {}
        for each, why in zip(written, whys, strict=True):
            place = each.at(table, option)
            if place and not (uncounted and _is_off(each)):
                found.setdefault(place, []).append(why.get(option, ""))
                # An entry that writes a table of its own inherits the rest of that at the top.
                parts.setdefault(place[2:], []).append(why.get(option, ""))
        for place, said in found.items():
            if all(said) and all(
                parts.get(place, ()) if isinstance(at(raw, place), Mapping) else ()
            ):
                yield Finding(place, said[0])


def _is_off(each: Written) -> bool:
    """Whether it says itself that there is no limit: by an average of 0."""
    return bool(each.at("rate_limit", "average")) and not each.options.rate_limit.average


def _log(config: Config, written: Mapping[str, Any]) -> Iterator[Finding]:
    log = config.log
    if "sample" in written and not log.access:
        yield Finding(("log", "sample"), "nothing is logged with access = false")
    if "slow" not in written or not log.slow or config.tracing is not None:
        return
    if not log.access:
        yield Finding(("log", "slow"), "nothing is logged with access = false")
    elif log.sample >= 1:
        yield Finding(("log", "slow"), "every request is logged: expected sample below 1 beside it")


def _store(config: Config, written: Mapping[str, Any]) -> Iterator[Finding]:
    if config.store is None:
        return
    kind = config.store.url.partition(":")[0]
    for name in ("namespace", "timeout"):
        if name in written and kind == "memory":
            message = f'a store in memory has none: expected url beside it, this one is "{kind}:"'
            yield Finding(("store", name), message)
        elif name in written and name == "namespace" and kind == "sqlite":
            yield Finding(("store", name), "only a store in Redis has namespaces")
