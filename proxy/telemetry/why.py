"""Why a call was slow or has failed: one sentence to read. ``cause`` has the word to group by."""

from typing import Final, NamedTuple

import msgspec

from proxy.core import record as waits
from proxy.core.record import Wait
from proxy.http.upgrade import SWITCHING
from proxy.telemetry.covered import INSTEAD
from proxy.telemetry.phases import Phases, failed_before

_OWN: Final = 400
"""From here on, the body of a failed call is the proxy's answer."""
_WAITS: Final = {
    waits.PERMIT: "waiting for a permit{of}",
    waits.TOKEN: "waiting for the rate limit of its client",
    waits.QUOTA: "waiting for the quota that {upstream} gives",
    waits.CREDENTIALS: "waiting for credentials for {upstream}",
    waits.SERVER: "waiting for a server{of} that can be connected to",
    waits.CONNECTION: "waiting for a free connection to {upstream}",
    waits.ANSWER: "waiting for the answer to an equal request",
    waits.ELSEWHERE: "waiting for another process that has sent an equal request",
}
ENDED: Final = {
    "ended_by_operator": "an operator ended it",
    "shutting_down": "the grace period of a shutdown was over",
}
"""Failures that say nothing of why a call took long, by reason. What it was waiting for says that,
as it does of one that its client has left."""


class Try(msgspec.Struct, kw_only=True, gc=False):
    """One of several attempts; times are in seconds."""

    server: str
    outcome: str
    at: float | None
    """From the beginning of the call to that of the attempt; None where that is not known."""
    connect: float | None
    """What it spent on getting a connection; None where it got none."""
    seconds: float
    upstream: str = ""
    """Whose server that is."""
    hedged: bool = False
    """Whether it ran beside the one that counts."""
    status: int = 0
    """In the head of its reply; 0 where none came."""

    def __str__(self) -> str:
        return f"{place('', self.server)} {self.outcome} after {spell(self.seconds)}"


class Behind(NamedTuple):
    """A call whose answer another one waits for."""

    phase: str
    wait: Wait | None
    tries: list[Try]


class Why(NamedTuple):
    """What is known of a call when it is explained."""

    seconds: float
    phases: Phases
    upstream: str
    server: str
    route: str
    client: str
    status: int
    error: str
    bytes_out: int
    tries: list[Try]
    in_flight: bool
    asked: bool
    """Whether a server was asked."""
    between: bool = False
    """Whether all its tries have failed, and it waits for another, or another is under way."""
    bytes_in: int = 0
    reason: str = ""
    """Of the last failure, and its sentence on standard error."""
    failure: str = ""
    clock: str = ""
    """The timeout that ended it."""
    wait: Wait | None = None
    """The longest that it had to be let through."""
    leader: str = ""
    """The id of the equal request whose answer it has waited for."""
    behind: Behind | None = None
    beside: tuple[str, str] | None = None
    """Upstream and server of the copy that most of the wait for the first byte was for."""
    covered: str = ""
    """The cause, where its client was given another reply for a failure: ``telemetry/covered``."""


def sentence(why: Why) -> str:
    """What went wrong, if anything, and what the time went on."""
    longest = why.phases.longest
    spent, total = spell(getattr(why.phases, longest)), spell(why.seconds)
    share = total if spent == total else f"{spent} of {total}"
    text = f"{share} {_going_on(why, longest)}"
    if why.in_flight:
        return f"{text} so far"
    if why.error == "client_gone":
        return f"{text}; then the client left"
    if why.error and why.reason in ENDED:
        return f"{text}; then {ENDED[why.reason]}"
    if why.error:
        wrong = _wrong(why)
        if longest == "queue" and why.wait is None and not why.asked:  # it was refused at once
            return f"{wrong} ({why.status}) after {total}"
        return f"{wrong} ({why.status}); {text}"
    if why.covered:
        wrong = _wrong(why) if why.failure else "the API has just failed"
        return f"{wrong}; {INSTEAD[why.covered].format(place(why.upstream, why.server))}; {text}"
    if why.status >= 500:
        return f"{place(why.upstream, why.server)} answered {why.status}; {text}"
    return text


def _wrong(why: Why) -> str:
    """What standard error says, without the attempts."""
    text = why.failure.partition("; tries: ")[0]
    if text.endswith("."):  # a sentence for clients
        text = text[0].lower() + text[1:-1]
    return text or f"failed with {why.error}"


def _failed(why: Why) -> tuple[Try, ...]:
    """The attempts before the one that counts."""
    return failed_before(why.tries, goes_on=why.between)


def _waiting(why: Why) -> str:
    """``waiting for a permit of api``."""
    if why.wait is None:
        return "in the proxy, before a server was asked"
    what, _, upstream, server, _ = why.wait
    text = _WAITS[what].format(
        of=f" of {upstream}" if upstream else "", upstream=place(upstream, server)
    )
    if what != waits.ANSWER:
        return text
    text += f" ({why.leader})" if why.leader else ""
    if (call := why.behind) is None:
        return text
    of_call = why._replace(behind=None, leader="", wait=call.wait, tries=call.tries, between=True)
    return f"{text}, which is {_going_on(of_call, call.phase)}"


def _going_on(why: Why, phase: str) -> str:
    """``waiting for the first byte of api (10.0.0.2:9000)``."""
    server = place(why.upstream, why.server)
    if phase == "client":
        who = f"the client {why.client}" if why.client else "the client"
        return f"waiting for {who}, to send its request or take the reply"
    if phase == "queue":
        return _waiting(why)
    if phase == "retries":
        failed = _failed(why)
        number = f"{len(failed)} failed {'try' if len(failed) == 1 else 'tries'}"
        asked = " and ".join(dict.fromkeys(each.upstream or why.upstream for each in failed))
        return f"on {number} of {asked or why.upstream} ({', '.join(map(str, failed))})"
    if phase == "connect":
        return f"connecting to {server}"
    if phase == "first_byte":
        return f"waiting for the first byte of {place(*why.beside) if why.beside else server}"
    if why.status == SWITCHING:
        both = f"{size(why.bytes_in)} from the client, {size(why.bytes_out)} to it"
        return f"with an open tunnel to {server}: {both}"
    came = "" if why.error and why.status >= _OWN else f", {size(why.bytes_out)}"
    return f"receiving the body from {server}{came}"


def place(upstream: str, server: str) -> str:
    """``api (10.0.0.2:9000)``."""
    short = server.removeprefix("http://")
    if not upstream:
        return short or "no server"
    return f"{upstream} ({short})" if short else upstream


def spell(seconds: float) -> str:
    """``2.3 s``, ``14 ms``, ``3 min 20 s``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def size(number: float) -> str:
    """``512 B``, ``1.2 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
