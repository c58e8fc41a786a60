"""What is shown of one proxy or several: how each is comes first, then the details of each."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from proxy.admin.top.sums import SERVER, WELL, Sum, state_of, sums
from proxy.admin.top.terminal import (
    BOLD,
    RED,
    SOFT,
    Line,
    Terminal,
    elided,
    fitted,
    shared,
    table,
)
from proxy.admin.top.verdict import verdict
from proxy.admin.top.watch import CALLS, Known, Seen
from proxy.telemetry.buckets import quantile
from proxy.telemetry.phases import NAMES
from proxy.telemetry.recorder import SHOWN
from proxy.telemetry.why import place, spell

SILENT: Final = 4.0
"""Seconds without news after which that is said, as the page does."""
_LISTED: Final = 10
"""Routes, and servers of an upstream, that are listed."""
_HEAD: Final = 2
"""Lines that say how a proxy is, at least: its numbers, and one about what is wrong."""
_SECTION: Final = 3
"""Lines of a section, at least: its heading, what is in trouble, and how many more there are."""
_NAMED: Final = 1
"""Lines that say whose details these are, where there are several proxies."""
_TARGET: Final = 16
"""Letters of a target, at least."""


class Row(NamedTuple):
    """A line of a section."""

    line: Line
    bad: bool = False
    """Whether it is shown before others, where there is no room for all."""
    number: int = 1
    """What it stands for."""


class Section(NamedTuple):
    """Some lines below a heading."""

    heading: list[Line]
    rows: list[Row]

    @property
    def length(self) -> int:
        """Lines, where there is room for all."""
        return len(self.heading) + len(self.rows)

    def lines(self, room: int) -> list[Line]:
        """At most so many of them."""
        if room >= self.length:
            return self.heading + [row.line for row in self.rows]
        rows = sorted(self.rows, key=lambda row: not row.bad)
        most = max(0, room - len(self.heading) - 1)
        told = [row.line for row in rows[:most]]
        return [*self.heading, *told, _more(rows[most:])][:room]


def screen(known: Sequence[Known], terminal: Terminal) -> list[Line]:
    """All that is shown. Where there is little room, each proxy gets its part."""
    found = _heads(known, terminal)
    room = terminal.lines - len(found)
    bodies = [
        (each.address, list(_sections(each.seen, terminal.columns)))
        for each in known
        if each.seen is not None
    ]
    above = _NAMED if len(known) > 1 else 0
    wanted = [sum(each.length for each in body) + above for _, body in bodies]
    parts = shared(wanted, room, above + _SECTION) if terminal.lines else wanted
    for (address, body), part in zip(bodies, parts, strict=True):
        if part and above:
            found += fitted([Line(address, BOLD)], terminal.columns)
        sizes = shared([each.length for each in body], max(0, part - above), _SECTION)
        for section, size in zip(body, sizes, strict=True):
            if size:
                found += fitted(section.lines(size), terminal.columns)
    return found


def _heads(known: Sequence[Known], terminal: Terminal) -> list[Line]:
    """How each of them is. It leaves room for a section of each, if there can be, and a third."""
    heads = [fitted(_head(each), terminal.columns) for each in known]
    room, share, least = terminal.lines, _HEAD, _HEAD * len(heads)
    if not room:
        return [line for head in heads for line in head]
    if least > room:
        heads.sort(key=lambda head: all(line.look != RED for line in head))
        if room <= _HEAD:  # not even one would have its lines
            share = 1
        room = max(share, room - (len(heads) * share > room))
    else:
        details = (_NAMED + _SECTION) * len(heads)
        room -= max(room // 3, details if details <= room - least else 0)
        room = max(least, room)
    given = shared([len(head) for head in heads], room, share)
    found = [line for head, some in zip(heads, given, strict=True) for line in _cut(head, some)]
    if left_out := given.count(0):
        more = Line(f"and {left_out} more; what is in trouble stands first", SOFT)
        found += fitted([more], terminal.columns)[: terminal.lines - len(found)]
    return found


def _cut(lines: list[Line], room: int) -> list[Line]:
    told = lines[:room]
    if told and len(told) < len(lines):
        last = told[-1]
        told[-1] = last._replace(text=f"{last.text[:-1]}…")
    return told


def _head(known: Known) -> Iterator[Line]:
    """How a proxy is."""
    address, seen = known.address, known.seen
    age = spell(round(known.silent)).replace(".0 ", " ")
    heard = f"nothing heard for {age}" if known.silent >= SILENT else ""
    if seen is None:
        reason = known.fault or heard or "asked, no answer yet"
        yield Line(f"{address}: {reason}", RED if known.fault or heard else SOFT, wraps=True)
        return
    if known.fault or heard:
        reason = "; ".join(each for each in (known.fault, heard) if each)
        yield Line(f"{address}: {reason}", RED, wraps=True)
        yield Line("  what is below is from then", SOFT)
        return
    every = sums(seen.history).values()
    calls, failed = sum(each.calls for each in every), sum(each.failed for each in every)
    yield Line(
        f"{address}  {calls / 60:.1f} calls/s  {_share(failed, calls)} failed  "
        f"{_in_flight(seen)} in flight",
        BOLD,
    )
    yield from verdict(seen)


def _in_flight(seen: Seen) -> str:
    """How many calls; ``64+`` where there may be more than are told."""
    number = len(seen.exchanges["in_flight"])
    return f"{number}+" if number >= SHOWN else str(number)


def _sections(seen: Seen, columns: int) -> Iterator[Section]:
    """The details of a proxy."""
    yield _routes(seen, columns)
    yield _servers(seen, columns)
    limits = [
        Row(
            Line(
                f"{upstream}: {each['in_flight']} of {each['limit']} requests, "
                f"{each['waiting']} wait",
                RED if each["waiting"] else "",
            ),
            bad=each["waiting"] > 0,
        )
        for upstream, each in seen.state["concurrency"].items()
    ]
    if limits:
        yield Section([], limits)
    for title, calls in (
        ("IN FLIGHT", seen.exchanges["in_flight"]),
        ("SLOW OR FAILED", seen.exchanges["exchanges"]),
    ):
        if calls:
            yield _calls(title, calls, columns)


def _routes(seen: Seen, columns: int) -> Section:
    called = (pair for pair in sums(seen.history).items() if pair[1].calls)
    ranked = sorted(called, key=lambda pair: -pair[1].calls)
    if len(ranked) > _LISTED:
        ranked.sort(key=lambda pair: -pair[1].failed / pair[1].calls)
    cells: list[tuple[str, ...]] = [
        ("ROUTE", "calls/s", "failed", "p50".rjust(6), "p95".rjust(6), "p99".rjust(6), "MOST")
    ]
    for (route,), each in ranked[:_LISTED]:
        spent = (spell(quantile(each.counts, part) or 0.0) for part in (0.5, 0.95, 0.99))
        longest = max(range(len(NAMES)), key=each.phases.__getitem__)
        most = NAMES[longest].replace("_", " ") if any(each.phases) else "-"
        rate, failed = f"{each.calls / 60:.1f}", _share(each.failed, each.calls)
        cells.append((route or "-", rate, failed, *spent, most))
    heading, *texts = table(cells, columns)
    bad = [each.failed > 0 for _, each in ranked]
    rows = [Row(Line(text), bad) for text, bad in zip(texts, bad, strict=False)]
    return Section([Line(heading, SOFT)], [*rows, *_rest(len(ranked))])


def _servers(seen: Seen, columns: int) -> Section:
    of_servers = sums(seen.history, SERVER)
    cells: list[tuple[str, ...]] = [("SERVER", "flying", "  open", " failed", "STATE")]
    rows: list[Row | None] = []
    for upstream, servers in seen.state["upstreams"].items():
        told = []
        for server in servers:
            each = of_servers.get((upstream, server["endpoint"])) or Sum()
            told.append((server, each, state_of(server, seen.state["breakers"], each)))
        if len(told) > _LISTED:
            told.sort(key=lambda one: one[2] in WELL)
        for server, each, state in told[:_LISTED]:
            where = place(upstream, server["endpoint"])
            # Where there is one server only, nobody counts but the exchanges.
            known = sum(
                (one.get("upstream"), one.get("server")) == (upstream, server["endpoint"])
                for one in seen.exchanges["in_flight"]
            )
            number = max(server["in_flight"], known)
            failed = _share(each.failures, each.asked)
            cells.append((where, str(number), str(server["connections"]), failed, state))
            rows.append(None)
        rows += _rest(len(told))
    heading, *texts = table(cells, columns)
    following = zip(cells[1:], texts, strict=True)
    told_rows = [row or _server(*next(following)) for row in rows]
    return Section([Line(heading, SOFT)], told_rows)


def _server(cells: tuple[str, ...], text: str) -> Row:
    bad = cells[-1] not in WELL
    return Row(Line(text, RED if bad else ""), bad)


def _calls(title: str, calls: list[dict[str, Any]], columns: int) -> Section:
    rows = []
    for call in calls[:CALLS]:
        status, bad = call.get("status") or "...", bool(call.get("failed"))
        target = call["target"]
        if columns:
            target = elided(target, max(_TARGET, columns // 5))
        text = f"{status!s:>5} {spell(call['seconds']):>9}  {call['method']} {target}  "
        rows.append(Row(Line(f"{text}{call['why']}", RED if bad else ""), bad))
    return Section([Line(title, SOFT)], rows)


def _rest(number: int) -> list[Row]:
    if number <= _LISTED:
        return []
    left = number - _LISTED
    return [Row(_more([Row(Line(""), number=left)]), number=left)]


def _more(rows: Sequence[Row]) -> Line:
    number = sum(row.number for row in rows)
    return Line(f"  and {number} more; what fails stands first", SOFT)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
