"""What is wrong with a proxy, or that nothing is: in the words of the page (``page/panels.js``)."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from proxy.admin.top.sums import Sum, state_of, sums
from proxy.admin.top.terminal import GREEN, RED, SOFT, YELLOW, Line, elided
from proxy.admin.top.watch import Seen
from proxy.telemetry.why import place, spell

HEADLINES: Final = {
    "client": "The clients: slow to send, or to take their reply",
    "queue": "The queue: calls wait to be let through",
    "retries": "The retries: time goes on attempts that fail",
    "connect": "The connect: servers are not reached, or slowly",
    "first_byte": "The first byte: the API takes its time to answer",
    "body": "The body: replies come slowly or break off",
    "answer": "The API answers with errors",
    "unavailable": "No server may be asked",
    "quota": "A quota is used up",
    "proxy": "The proxy itself fails",
    "stale": "The API fails; stored replies stand in for it",
    "fallback": "An upstream fails; another one stands in for it",
}
ABOUT: Final = {
    "permit": "a permit",
    "token": "the rate limit of their clients",
    "quota": "more of the quota",
    "credentials": "credentials",
    "server": "a server that can be connected to",
    "connection": "a free connection",
    "answer": "the answer to an equal request",
    "elsewhere": "another process that has sent an equal request",
}
"""What exactly is waited for, as ``core/record`` calls it."""
NAMES: Final = {
    "first_byte": "first byte",
    "answer": "error answers",
    "unavailable": "no server",
    "stale": "stored replies for failures",
    "fallback": "another upstream for failures",
}
"""Causes whose short name is another word."""
_OF: Final = ("permit", "quota")
_COVERED: Final = ("stale", "fallback")
"""Causes of failures that no client has seen."""
_MOST: Final = 4
"""Causes that are told."""
_GOES_ON: Final = 3.5
"""Seconds since the last such call; then it has just stopped."""
_LATELY: Final = 60.0
_LONGEST: Final = 40
"""Letters of a name in a sentence."""


class Cause:
    """All that is wrong for one cause, or that waits for one thing."""

    def __init__(self, first: dict[str, Any]) -> None:
        """``first``: the episode with most calls."""
        self.cause, self.about, self.since = first["cause"], first["about"], first["since"]
        self.number, self.worst, self.usual = 0, 0.0, None
        self.routes: dict[str, None] = {}
        self.upstreams: dict[str, None] = {}
        self.servers: dict[str, None] = {}

    def add(self, each: dict[str, Any]) -> None:
        """An episode of it."""
        self.number += each["number"]
        if each["worst"] >= self.worst:
            self.worst, self.usual = each["worst"], each["usual"]
        for known, name in (
            (self.routes, each["route"]),
            (self.upstreams, each["upstream"]),
            (self.servers, each["server"]),
        ):
            if name:
                known[name] = None

    def headline(self) -> str:
        """``The first byte: the API takes its time to answer``."""
        if self.cause == "queue" and (what := ABOUT.get(self.about)):
            of = f" of {some(self.upstreams)}" if self.about in _OF and self.upstreams else ""
            return f"The queue: calls wait for {what}{of}"
        return str(HEADLINES.get(self.cause, self.cause))


def together(causes: Iterable[dict[str, Any]], at: float) -> list[Cause]:
    """Those that go on, what hits most calls first."""
    found: dict[tuple[str, str], Cause] = {}
    for each in sorted(causes, key=lambda each: -each["number"]):
        if at - each["last"] <= _GOES_ON:
            about = each["about"] if each["cause"] == "queue" else ""
            found.setdefault((each["cause"], about), Cause(each)).add(each)
    return sorted(found.values(), key=lambda cause: (-cause.number, -cause.worst))


def verdict(seen: Seen) -> Iterator[Line]:
    """The lines; those that begin with ``!`` tell of what goes on."""
    # One of a version before tells no time.
    at = seen.causes.get("at") or time.time()
    causes = together(seen.causes["now"], at)
    for cause in causes[:_MOST]:
        calls = f"{cause.number} {'call' if cause.number == 1 else 'calls'} in the last second"
        servers = f" ({some(cause.servers)})" if cause.servers else ""
        where = f" at {some(cause.upstreams)}{servers}" if cause.upstreams else ""
        usual = "" if cause.usual is None else f"; usually {spell(cause.usual)}"
        routes = f"{some(cause.routes)}: " if cause.routes else ""
        yield Line(
            f"! {routes}{cause.headline()}, since {clock(cause.since - 1)}. {calls}{where}, "
            f"up to {spell(cause.worst)}{usual}",
            RED,
            wraps=True,
        )
    if len(causes) > _MOST:
        yield Line(f"! and {len(causes) - _MOST} more", RED)
    if not causes:
        yield from _calm(seen, at)


def _calm(seen: Seen, at: float) -> Iterator[Line]:
    """Green is only what has been well for all of the time."""
    every = Sum()
    for each in sums(seen.history).values():
        every.calls += each.calls
        every.failed += each.failed
    past = sorted([*seen.causes["before"], *seen.causes["now"]], key=lambda each: -each["last"])
    slow = [each for each in past if each["last"] > at - _LATELY]
    hidden = [each for each in slow if each["cause"] in _COVERED]
    routes = dict.fromkeys(each["route"] for each in hidden or slow if each["route"])
    on = f" on {some(routes)}" if routes else ""
    failed = (
        f"{_share(every.failed / every.calls)} of the calls failed over the last minute"
        if every.failed
        else ""
    )
    look = YELLOW
    if ill := _unfit(seen.state):
        who = "A server gets" if len(ill) == 1 else f"{len(ill)} servers get"
        text = f"{who} no calls: {some(ill)}" + (f"; {failed}" if failed else "")
    elif failed:
        text = f"Nothing fails at this moment; {failed}"
    elif hidden:
        text = "Nothing fails at this moment; other replies stood in for failures"
        text += f"{on} within the last minute"
    elif slow:
        text = f"Nothing is slow at this moment; calls{on} were within the last minute"
    elif not every.calls and not seen.exchanges["in_flight"]:
        text, look = "Nothing is asked at the moment", ""
    else:
        text, look = "All is well: nothing is slow, nothing fails", GREEN
    yield Line(f"  {text}", look, wraps=True)
    if past:
        last = past[0]
        name = NAMES.get(last["cause"], last["cause"])
        yield Line(f"  Last trouble: {name}, until {clock(last['last'])}.", SOFT)


def _unfit(state: dict[str, Any]) -> dict[str, None]:
    """The servers that are ejected or unhealthy; drained ones are meant."""
    return dict.fromkeys(
        server["endpoint"]
        for servers in state["upstreams"].values()
        for server in servers
        if state_of(server, state["breakers"], Sum()) in ("unhealthy", "ejected")
    )


def some(names: Iterable[str], most: int = 3) -> str:
    """``/a, /b, /c and 5 more``."""
    told = [elided(place("", each), _LONGEST) for each in names]
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def clock(at: float) -> str:
    """``12:34:56``; of another day, with its date."""
    when = datetime.fromtimestamp(at).astimezone()
    today = when.date() == datetime.now().astimezone().date()
    return f"{when:%H:%M:%S}" if today else f"{when:%b} {when.day} {when:%H:%M:%S}"


def _share(number: float) -> str:
    if number < 0.001:
        return "< 0.1 %"
    return f"{number * 100:.{1 if number < 0.1 else 0}f} %"
