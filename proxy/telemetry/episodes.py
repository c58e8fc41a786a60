"""Trouble, from its beginning to its end: calls that were slow or failed for one cause.

An episode begins with the first second that has such calls. It ends when there have been none for
``QUIET`` seconds and calls of its route have ended well meanwhile. While its route is not asked,
nobody knows: it ends after ``SILENT`` seconds. So it says since when something is wrong, and how
many calls it concerns.
"""

from collections import deque
from collections.abc import Container
from itertools import islice
from typing import Final, TypeAlias

import msgspec

from proxy.core.record import (
    ANSWER,
    CONNECTION,
    CREDENTIALS,
    ELSEWHERE,
    PERMIT,
    QUOTA,
    SERVER,
    TOKEN,
)
from proxy.telemetry.second import Hit
from proxy.telemetry.why import place, spell

QUIET: Final = 5.0
"""Seconds without such calls that end an episode if its route has been well meanwhile."""
SILENT: Final = 60.0
"""Seconds without such calls that end it in any case."""
KEPT: Final = 200
"""Episodes that have ended and are remembered; the oldest go first."""
ACTIVE: Final = 256
"""Episodes at a time."""

_TEXT: Final = {
    "client": "Clients are slow to send or to take what is theirs",
    "queue": "Calls wait before a server is asked",
    "retries": "Calls need several tries",
    "connect": "Connections are slow or fail",
    "first_byte": "Calls wait for the first byte",
    "body": "Bodies come slowly or break off",
    "answer": "The upstream answers with errors",
    "unavailable": "No server may be asked",
    "quota": "A quota is used up",
    "proxy": "The proxy itself fails",
    "stale": "The API fails; stored replies stand in for it",
    "fallback": "An upstream fails; another one stands in for it",
}
_ABOUT: Final = {
    PERMIT: "Calls wait for a permit",
    TOKEN: "Calls wait for the rate limit of their clients",
    QUOTA: "Calls wait for more of the quota",
    CREDENTIALS: "Calls wait for credentials",
    SERVER: "Calls wait for a server that can be connected to",
    CONNECTION: "Calls wait for a free connection",
    ANSWER: "Calls wait for the answer to an equal request",
    ELSEWHERE: "Calls wait for another process that has sent an equal request",
    "credentials_unavailable": "There are no credentials",
    "connection_limit": "No connection is free",
    "server_at_limit": "No connection to a server is free",
    "deadline_too_short": "Deadlines are too near for an answer",
    "queue_full": "No more calls may wait",
    "local_limit": "A limit of this process or machine is reached",
}
"""The same where more is known."""
_OF: Final = frozenset({"Calls wait for the first byte", _ABOUT[PERMIT], _ABOUT[QUOTA]})
"""What is somebody's."""


class Episode(msgspec.Struct, kw_only=True, gc=False):
    """One of them. Moments are in seconds since 1970."""

    cause: str
    """As in ``telemetry/why``."""
    route: str
    upstream: str
    server: str
    since: float
    last: float
    """When the last such call was seen. One that is seldom called may go on without any."""
    until: float | None = None
    """When it had ended; None while it goes on."""
    noticed: float = 0.0
    """When it was known to have ended."""
    number: int
    """Such calls in the last second that had any."""
    peak: int
    """The most in a second."""
    worst: float
    """Seconds of the longest."""
    example: str
    """The request id of the longest."""
    usual: float | None = None
    """Seconds that the phase usually takes."""
    about: str = ""
    """What exactly is waited for or wrong, where that is known: see ``telemetry/second.Hit``."""
    text: str = ""


_Key: TypeAlias = tuple[str, str, str, str, str]
"""Cause, route, upstream, server, and what it is about."""


class Episodes:
    """Those that go on, and the latest that have ended."""

    __slots__ = ("_active", "_well", "ended")

    def __init__(self) -> None:
        self._active: dict[_Key, Episode] = {}
        self._well: set[_Key] = set()
        """Those whose routes have been well since they were seen last."""
        self.ended: deque[Episode] = deque(maxlen=KEPT)

    def add(self, hits: list[Hit], at: float, well: Container[str] = ()) -> None:
        """What a second had, which ended then. ``well``: routes on which a call has not failed."""
        begun: dict[_Key, Hit] = {}
        for hit in hits:
            key = (hit.cause, hit.route, hit.upstream, hit.server, hit.about)
            known = self._active.get(key)
            if known is None:
                begun[key] = hit
                continue
            known.number, known.last = hit.number, at
            known.peak = max(known.peak, hit.number)
            known.usual = known.usual if hit.usual is None else hit.usual
            if hit.worst >= known.worst:
                known.worst, known.example = hit.worst, hit.example or known.example
            known.text = told(known)
            self._well.discard(key)
        for key, episode in list(self._active.items()):
            if episode.last < at and episode.route in well:
                self._well.add(key)
            if at - episode.last >= (QUIET if key in self._well else SILENT):
                self._end(key, at)
        if len(self._active) + len(begun) > ACTIVE:  # what is wrong now goes before what was
            quiet = [key for key, episode in self._active.items() if episode.last < at]
            quiet.sort(key=lambda key: self._active[key].last)
            for key in quiet[: len(self._active) + len(begun) - ACTIVE]:
                self._end(key, at)
        for key, hit in islice(begun.items(), ACTIVE - len(self._active)):
            self._active[key] = _begun(hit, at)

    def _end(self, key: _Key, at: float) -> None:
        episode = self._active.pop(key)
        self._well.discard(key)
        episode.until, episode.noticed = episode.last, at
        self.ended.append(episode)

    def now(self) -> list[Episode]:
        """Those that go on, the one with most calls first."""
        return sorted(self._active.values(), key=lambda each: (-each.number, each.since))


def _begun(hit: Hit, at: float) -> Episode:
    episode = Episode(
        cause=hit.cause,
        route=hit.route,
        upstream=hit.upstream,
        server=hit.server,
        since=at,
        last=at,
        number=hit.number,
        peak=hit.number,
        worst=hit.worst,
        example=hit.example,
        usual=hit.usual,
        about=hit.about,
    )
    episode.text = told(episode)
    return episode


def told(episode: Episode) -> str:
    """One sentence."""
    where = place(episode.upstream, episode.server) if episode.upstream else ""
    text = _ABOUT.get(episode.about) or _TEXT.get(episode.cause, episode.cause)
    if where:
        text += f" of {where}" if text in _OF else f": {where}"
    if episode.route:
        text += f" on {episode.route}"
    number = f"{episode.number} {'call' if episode.number == 1 else 'calls'}"
    text += f"; {number}, up to {spell(episode.worst)}"
    if episode.usual is not None:
        text += f", usually {spell(episode.usual)}"
    return text
