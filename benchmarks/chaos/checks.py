"""What must hold once all has ended: of the servers' ledgers, and of the access log."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.chaos import content
from benchmarks.chaos.answer import End
from benchmarks.chaos.book import Record
from benchmarks.chaos.ledger import Ledger, Seen
from benchmarks.chaos.plan import Ask, Kind, Leave, Point

Line = Mapping[str, Any]
_TROUBLE: Final = ("Traceback", '"exception":', "never retrieved", "never awaited", "leaked")
_STARVED: Final = ("Too many open files", "out of system resource", "EMFILE")
_SLOW: Final = 1.0
"""Seconds of pausing that no clock of the proxy minds."""
_INTERNAL: Final = "proxy_internal_error"


@dataclass(slots=True)
class Violation:
    """Something that must never happen."""

    what: str
    ask: Ask | None = None
    log: Sequence[Line] = ()
    seen: list[Seen] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [self.what]
        if self.ask is not None:
            lines.append(f"  plan:   {self.ask}")
        lines += [f"  server: {seen}" for seen in self.seen]
        lines += [f"  log:    {dict(line)}" for line in self.log]
        return "\n".join(lines)


def uploads(ledger: Ledger, asks: Mapping[str, Ask]) -> list[Violation]:
    """Each arrival was asked for, came as it was sent, and no unsafe request came twice."""
    by_nonce = {ask.nonce: ask for ask in asks.values()}
    found: list[Violation] = []
    heads: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in ledger.arrivals:
        heads[seen.nonce].append(seen)
        ask = by_nonce.get(seen.nonce)
        if ask is None:
            found.append(Violation(f"altered: nobody asked for {seen.target}", seen=[seen]))
            continue
        what = _upload(ask, seen)
        if what:
            found.append(Violation(what, ask, seen=[seen]))
    for nonce, several in heads.items():
        ask = by_nonce.get(nonce)
        if ask is not None and ask.unsafe and len(several) > 1:
            what = f"twice: {ask.method} came {len(several)} times"
            found.append(Violation(what, ask, seen=several))
    return found


def _upload(ask: Ask, seen: Seen) -> str:
    if ask.kind is Kind.MALFORMED:
        return f"malformed: a server got a request with {ask.wrong}"
    if (seen.method, seen.target) != (ask.method, ask.target):
        return "altered: method or target are not those that were sent"
    if ask.kind is not Kind.PLAIN and not ask.coding:
        return ""
    if seen.state == "broken":
        return "framing: the body that a server got is malformed"
    if seen.state == "whole" and seen.digest != content.digest(ask.body):
        return f"upload: a server got a body of {seen.length} bytes, not these {ask.size}"
    if (
        seen.state == "whole"
        and ask.leave is not Leave.NO
        and ask.point in (Point.HEAD, Point.BODY)
    ):
        return "upload: a body arrived whole that its client never finished"
    if seen.state == "cut" and seen.digest != content.digest(ask.body[: seen.length]):
        return "upload: what arrived of a body is not its beginning"
    return ""


def log_lines(
    lines: Sequence[Line], records: Iterable[Record], ledger: Ledger, asks: Mapping[str, Ask]
) -> list[Violation]:
    """One line for each request that the proxy has read, and it says what the client saw."""
    by_name: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_name[line["request_id"]].append(line)
    found = []
    reached = {seen.nonce for seen in ledger.arrivals}
    told = {ask.nonce for name, ask in asks.items() if by_name.get(name)}
    told |= {ask.nonce for ask in asks.values() if ask.kind is Kind.MALFORMED}
    for nonce in reached - told:
        seen = ledger.of(nonce)
        found.append(Violation(f"log: no line for {nonce}, which a server has seen", seen=seen))
    spare = 0
    """Requests whose line may bear another id: nothing of theirs could be read."""
    for record in records:
        ask, answer = record.ask, record.answer
        own = by_name.pop(ask.name, [])
        what = ""
        if len(own) > 1:
            what = f"log: {len(own)} lines for one request"
        elif not own and answer.status and answer.fields.get("x-request-id") == ask.name:
            what = "log: no line for a request that was answered"
        elif own:
            what = _line(record, own[0])
        if what:
            found.append(Violation(what, ask, log=own, seen=ledger.of(ask.nonce)))
        spare += not own
    unknown = [line for several in by_name.values() for line in several]
    if len(unknown) > spare:
        what = f"log: {len(unknown)} lines of requests that nobody has sent, {spare} at most"
        found.append(Violation(what, log=unknown[:5]))
    return found


def _line(record: Record, line: Line) -> str:
    """Whether a line says what the client saw."""
    answer, ask = record.answer, record.ask
    if line["error"] == _INTERNAL:
        return "internal: the proxy says that it is at fault"
    if ask.kind is Kind.MALFORMED:
        return ""
    if (line["method"], line["target"]) != (ask.method, ask.target):
        return "log: method or target are not those that were sent"
    if answer.end is End.NONE and not answer.reset and ask.leave is Leave.NO and not line["error"]:
        return "log: it tells of an answer that the client has not seen"
    if answer.end in (End.LEFT, End.SILENT, End.REFUSED, End.NONE):
        return ""
    if answer.status != line["status"]:
        # A client that has left may still have had an answer.
        return "" if ask.leave is not Leave.NO else "log: another status than the client's"
    if answer.status == 101:
        return ""  # a tunnel has no framing: any close is an end
    if answer.end is End.WHOLE and record.taken != line["bytes_out"]:
        return f"log: {line['bytes_out']} bytes where the client got {record.taken}"
    # Who stops to read is cut after the line was written, with the rest in the kernel's buffers.
    stays = ask.leave is Leave.NO and ask.slow <= _SLOW
    if answer.end is End.CUT and not line["error"] and stays:
        return "log: it tells of no error where the client saw a cut"
    return ""


def unanswered(records: Iterable[Record], hard: Sequence[tuple[float, float]]) -> list[Violation]:
    """Who sent the first request of a connection, whole, and stayed, has an answer.

    Not in ``hard`` times, from and until on the loop's clock: without descriptors, and in a drain.
    """
    return [
        Violation("unanswered: the connection was closed without an answer", record.ask)
        for record in records
        if record.answer.end is End.NONE
        and not record.answer.reset
        and record.first
        and record.ask.leave is Leave.NO
        and record.ask.kind is not Kind.MALFORMED
        and not any(record.began <= until and record.ended >= at for at, until in hard)
    ]


def words(said: str) -> list[Violation]:
    """Nothing that only a mistake of the proxy's says stands on its standard error."""
    return [
        Violation(f"internal: it says {line[:3000]}")
        for line in said.splitlines()
        if any(word in line for word in _TROUBLE) and not any(word in line for word in _STARVED)
    ]
