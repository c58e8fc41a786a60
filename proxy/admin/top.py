"""``sidecar-proxy top``: what the page shows, at a glance, in a terminal."""

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from proxy.admin.client import WHERE, Refused, Unasked, get
from proxy.telemetry.buckets import add, quantile
from proxy.telemetry.phases import NAMES
from proxy.telemetry.why import place, spell

_CLEAR: Final = "\33[H\33[J"
_BOLD, _RED, _GREEN, _SOFT, _END = "\33[1m", "\33[31m", "\33[32m", "\33[2m", "\33[0m"
_CALLS: Final = 8
"""Calls in flight, and calls that were slow or failed, that are shown of each proxy."""
_LISTED: Final = 10
"""Routes, and servers of an upstream, that are listed."""
_FAILS: Final = 0.9
"""The part of its calls from which on a server fails."""
_WELL: Final = ("well", "not asked")
_ROUTE, _SERVER = slice(0, 1), slice(1, 3)
UNREACHABLE: Final = 1
REFUSED: Final = 2
"""Likewise for an address that is none, as for other wrong arguments."""


class Seen(NamedTuple):
    """One proxy, at one moment."""

    address: str
    causes: dict[str, Any]
    history: dict[str, Any]
    exchanges: dict[str, Any]
    state: dict[str, Any]


class Line(NamedTuple):
    """A line and how it looks."""

    text: str
    look: str = ""


def look(address: str) -> Seen:
    """Ask a proxy. Raises OSError or ValueError."""
    return Seen(
        address,
        get(address, "/api/causes"),
        get(address, "/api/history?span=60&step=60"),
        get(address, f"/api/exchanges?limit={_CALLS}"),
        get(address, "/api/state"),
    )


def run(argv: list[str]) -> int:
    """The command: 0; 1 where no proxy is reached, 2 where none of those that are answers."""
    parser = argparse.ArgumentParser(
        prog="sidecar-proxy top",
        description="Shows in the terminal, once a second, what running proxies do: requests in "
        "flight, their times, and what is slow or fails. Ctrl-C ends it.",
        epilog="example: sidecar-proxy top --admin 127.0.0.1:9901",
    )
    parser.add_argument(
        "--admin",
        metavar="ADDR",
        action="append",
        help="[admin] listen of a proxy; default: 127.0.0.1:9901; may be given again",
    )
    parser.add_argument("--once", action="store_true", help="print it once and end")
    arguments = parser.parse_args(argv)
    return show(arguments.admin or ["127.0.0.1:9901"], once=arguments.once)


def show(addresses: Sequence[str], *, once: bool = False, every: float = 1.0) -> int:
    """Show them until Ctrl-C, or ``once``. 0, or as ``run`` where none of them answers at first.

    Later it waits for one that is away: it may be restarting.
    """
    first = True
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            lines, failed = _all(addresses)
            once, first = once or (first and failed > 0), False
            size = shutil.get_terminal_size()
            colours = sys.stdout.isatty()
            shown = lines if once else lines[: size.lines - 1]
            text = "\n".join(_dressed(line, size.columns, colours=colours) for line in shown)
            sys.stdout.write(f"{text}\n" if once else f"{_CLEAR}{text}\n")
            sys.stdout.flush()
            if once:
                if failed == UNREACHABLE:
                    sys.stderr.write(f"no proxy was reached; {WHERE}\n")
                return failed
            time.sleep(every)
    return 0


def _all(addresses: Sequence[str], ask: Callable[[str], Seen] = look) -> tuple[list[Line], int]:
    """What is shown, and the exit status of that."""
    lines: list[Line] = []
    statuses = []
    for address in addresses:
        try:
            lines += screen(ask(address))
            statuses.append(0)
        except Refused as error:
            lines.append(Line(f"{address}: refused: {error}", _RED))
            statuses.append(REFUSED)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            lines.append(Line(f"{address}: not reached: {reason}", _RED))
            statuses.append(REFUSED if isinstance(error, Unasked) else UNREACHABLE)
        lines.append(Line(""))
    return lines, 0 if 0 in statuses else max(statuses)


def screen(seen: Seen) -> Iterator[Line]:
    """The lines about one proxy."""
    sums = _sums(seen.history)
    calls = sum(each.calls for each in sums.values())
    failed = sum(each.failed for each in sums.values())
    flying = seen.exchanges["in_flight"]
    yield Line(
        f"{seen.address}  {calls / 60:.1f} calls/s  {_share(failed, calls)} failed  "
        f"{len(flying)} in flight",
        _BOLD,
    )
    now = seen.causes["now"]
    for cause in now[:4]:
        since = datetime.fromtimestamp(cause["since"]).astimezone()
        name = cause["cause"].replace("_", " ")
        yield Line(f"! {name} since {since:%H:%M:%S}: {cause['text']}", _RED)
    if not now and failed:
        part = _share(failed, calls)
        yield Line(
            f"  nothing fails at this moment; {part} of the calls failed over the last minute"
        )
    elif not now:
        yield Line("  all is well", _GREEN)
    heads = f"{'ROUTE':30} {'calls/s':>8} {'failed':>8} {'p50':>9} {'p95':>9} {'p99':>9}  MOST"
    yield Line(heads, _SOFT)
    ranked = sorted(sums.items(), key=lambda pair: -pair[1].calls)
    if len(ranked) > _LISTED:
        ranked.sort(key=lambda pair: -pair[1].failed / pair[1].calls)
    for route, each in ranked[:_LISTED]:
        spent = [spell(quantile(each.counts, part) or 0.0) for part in (0.5, 0.95, 0.99)]
        longest = max(range(len(NAMES)), key=each.phases.__getitem__)
        most = NAMES[longest].replace("_", " ") if any(each.phases) else "-"
        yield Line(
            f"{route[0] or '-':30} {each.calls / 60:8.1f} {_share(each.failed, each.calls):>8} "
            f"{spent[0]:>9} {spent[1]:>9} {spent[2]:>9}  {most}"
        )
    yield from _more(len(ranked))
    yield Line(f"{'SERVER':44} {'flying':>7} {'open':>6} {'failed':>8}  STATE", _SOFT)
    of_servers = _sums(seen.history, _SERVER)
    for upstream, servers in seen.state["upstreams"].items():
        told = []
        for server in servers:
            each = of_servers.get((upstream, server["endpoint"])) or _Sum()
            told.append((server, each, _state(server, seen.state["breakers"], each)))
        if len(told) > _LISTED:
            told.sort(key=lambda one: one[2] in _WELL)
        for server, each, state in told[:_LISTED]:
            where = place(upstream, server["endpoint"])
            # Where there is one server only, nobody counts but the exchanges.
            known = sum(
                (each.get("upstream"), each.get("server")) == (upstream, server["endpoint"])
                for each in flying
            )
            number = max(server["in_flight"], known)
            yield Line(
                f"{where:44} {number:>7} {server['connections']:>6} "
                f"{_share(each.failed, each.calls):>8}  {state}",
                "" if state in _WELL else _RED,
            )
        yield from _more(len(told))
    for upstream, each in seen.state["concurrency"].items():
        yield Line(
            f"{upstream}: {each['in_flight']} of {each['limit']} requests, {each['waiting']} wait",
            _RED if each["waiting"] else "",
        )
    for title, some in (("IN FLIGHT", flying), ("SLOW OR FAILED", seen.exchanges["exchanges"])):
        yield Line(f"{title:14} {'':>9}", _SOFT)
        for call in some[:_CALLS]:
            status = call.get("status") or "..."
            why = f"{call['method']} {call['target']}  {call['why']}"
            bad = _RED if call.get("failed") else ""
            yield Line(f"{status!s:>5} {spell(call['seconds']):>9}  {why}", bad)


class _Sum:
    def __init__(self) -> None:
        self.calls = self.failed = 0
        self.phases = [0] * len(NAMES)
        self.counts: dict[int, int] = {}


def _more(number: int) -> Iterator[Line]:
    if number > _LISTED:
        yield Line(f"  and {number - _LISTED} more; what fails stands first", _SOFT)


def _sums(history: dict[str, Any], part: slice = _ROUTE) -> dict[tuple[str, ...], _Sum]:
    """By route, or by upstream and server."""
    found: dict[tuple[str, ...], _Sum] = {}
    for step in history["steps"]:
        for number, calls, failed, _, _, _, phases, counts in step["rows"]:
            series = history["series"][number]
            each = found.setdefault(tuple(series[part]), _Sum())
            each.calls += calls
            each.failed += failed
            # What asks no server and takes less than a millisecond has not waited: it was refused,
            # or stored.
            if series[_SERVER.stop - 1] or sum(phases) >= calls:
                each.phases = [a + b for a, b in zip(each.phases, phases, strict=True)]
            add(each.counts, ((int(bucket), count) for bucket, count in counts.items()))
    return found


def _state(server: dict[str, Any], breakers: list[dict[str, Any]], ended: _Sum) -> str:
    if server["withdrawn"]:
        return "drained"
    if not server["healthy"]:
        return "unhealthy"
    for each in breakers:
        if each["endpoint"] == server["endpoint"] and each["state"] != "closed":
            return "ejected" if each["state"] == "open" else "on trial"
    if server["paused_s"]:
        return f"paused for {spell(server['paused_s'])}"
    if ended.calls and ended.failed >= _FAILS * ended.calls:
        return "fails"
    return "well" if ended.calls else "not asked"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _dressed(line: Line, columns: int, *, colours: bool) -> str:
    """A line for a terminal, which obeys control characters: names are shown without any."""
    text = "".join(each if each.isprintable() else "?" for each in line.text)
    text = text[:columns] if colours else text
    return f"{line.look}{text}{_END}" if line.look and colours else text
