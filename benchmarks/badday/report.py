"""What the clients saw and what the endpoints did, in figures."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias, TypedDict

from benchmarks.badday.answer import Outcome
from benchmarks.badday.client import PATIENCE, Record
from benchmarks.badday.endpoints import Entry
from benchmarks.badday.peers import TITLES
from benchmarks.badday.profile import PROFILES, Profile
from benchmarks.load.clients.latency import percentile


class Figures(TypedDict):
    """One proxy's day."""

    goodput: float
    """Share of the requests that were answered whole, rightly and in time.

    That is with 2xx, or with the endpoint's own 503 where the request was a POST.
    """
    ceiling: float
    """The most that this could be, see ``ceiling``."""
    without_foresight: tuple[float, float] | None
    """The most without foresight, with 1.10 sends per request and within 5 % of copies; of a day
    with one server that is slow for a while, else None."""
    p50: float
    """Milliseconds, of all requests; whatever failed counts as the client's whole patience."""
    p95: float
    p99: float
    sent: float
    """Requests that endpoints executed, per request of a client."""
    twice: int
    """POSTs that were executed more than once."""
    false: int
    """Answers that ended cleanly and were not what had been sent."""
    recovery: float | None
    """Seconds from an endpoint's return to its first request; None where none came."""
    errors: dict[str, int]
    good_by_second: list[float | None]
    """Shares, by the second in which requests were due; None where none was."""
    p99_by_second: list[float | None]
    """Of the good answers alone: with 150 requests in a second, two failures would be all of it."""


Results: TypeAlias = dict[str, dict[str, Figures]]
"""By profile and peer."""

_GOOD: Final = frozenset({Outcome.WHOLE, Outcome.PASSED})
_READING: Final = (
    "Good: whole, 2xx, the right body, within 3 s; or an endpoint's own 503 to a POST, which "
    "nobody may run again. Times are of all requests, a failure counting "
    "as 3 s. Ceiling: what could be good if all were known in advance and nothing unsafe were sent "
    "twice. Sent per request: what endpoints executed for each request of a client. Cut as whole: "
    "answers cut short but ended as if whole. Recovery: from the return of the endpoint that was "
    "lost to the first request that it gets."
)
_COLUMNS: Final = (
    "good %", "p50 ms", "p95 ms", "p99 ms", "sent per request", "POSTs twice",
    "cut as whole", "recovery s",
    "errors",
)  # fmt: skip


def figures(
    records: Sequence[Record],
    entries: Sequence[Entry],
    profile: Profile,
    seconds: float,
    *,
    most: float = 1.0,
    without_foresight: tuple[float, float] | None = None,
) -> Figures:
    """Of a day of so many seconds, during which the profile's stretches were as they are here."""
    latencies = [latency(record) for record in records]
    seen = [[record for record in records if int(record.due) == n] for n in range(int(seconds))]
    return Figures(
        goodput=_good(records) or 0.0,
        ceiling=most,
        without_foresight=without_foresight,
        p50=percentile(latencies, 0.5) * 1000,
        p95=percentile(latencies, 0.95) * 1000,
        p99=percentile(latencies, 0.99) * 1000,
        sent=len(entries) / max(len(records), 1),
        twice=twice(entries),
        false=sum(record.outcome is Outcome.FALSE for record in records),
        recovery=recovery(entries, profile),
        errors=errors(records),
        good_by_second=[_good(part) for part in seen],
        p99_by_second=[_tail(part) for part in seen],
    )


def latency(record: Record) -> float:
    """Seconds; a failure is as bad as never an answer, however fast it came."""
    return min(record.taken, PATIENCE) if record.outcome in _GOOD else PATIENCE


def twice(entries: Sequence[Entry]) -> int:
    """How many POSTs were executed more than once."""
    times = Counter(entry.name for entry in entries if entry.method == "POST")
    return sum(count > 1 for count in times.values())


def recovery(entries: Sequence[Entry], profile: Profile) -> float | None:
    """Until the endpoint that was lost has its first request again."""
    if (lost := profile.lost) is None:
        return None
    back = (
        entry.when - lost.ends
        for entry in entries
        if entry.endpoint in lost.endpoints and entry.when >= lost.ends
    )
    return min(back, default=None)


def errors(records: Sequence[Record]) -> dict[str, int]:
    """How many of each, the most frequent first."""
    names = Counter(
        str(record.status) if record.outcome is Outcome.STATUS else record.outcome.value
        for record in records
        if record.outcome not in _GOOD
    )
    return dict(names.most_common())


def markdown(results: Results) -> str:
    """A table for each profile, a proxy a line."""
    return "\n\n".join(
        [_READING, *(table(name, peers) for name, peers in results.items() if peers)]
    )


def table(profile: str, peers: dict[str, Figures]) -> str:
    """One profile."""
    most = max(found["ceiling"] for found in peers.values())
    title = f"### {PROFILES[profile].title} (`--profile {profile}`)"
    ceiling = f"Ceiling of this seed: {most * 100:.2f} %."
    if without := next(iter(peers.values()))["without_foresight"]:
        free, within = (f"{share * 100:.2f} %" for share in without)
        ceiling += f" Without foresight: {free} at 1.10 sent; {within} with copies within 5 %."
    lines = [title, "", ceiling, ""]
    lines.append(f"| | {' | '.join(_COLUMNS)} |")
    lines.append("|---|" + "---:|" * (len(_COLUMNS) - 1) + "---|")
    for name, found in peers.items():
        back = found["recovery"]
        cells = (
            f"{found['goodput'] * 100:.2f}",
            *(f"{value:,.0f}" for value in (found["p50"], found["p95"], found["p99"])),
            f"{found['sent']:.3f}",
            str(found["twice"]),
            str(found["false"]),
            "" if back is None else f"{back:.1f}",
            ", ".join(f"{error}: {count}" for error, count in found["errors"].items()),
        )
        lines.append(f"| {TITLES[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _good(records: Sequence[Record]) -> float | None:
    if not records:
        return None
    return sum(record.outcome in _GOOD for record in records) / len(records)


def _tail(records: Sequence[Record]) -> float | None:
    good = [record.taken for record in records if record.outcome in _GOOD]
    return percentile(good, 0.99) * 1000 if good else None
