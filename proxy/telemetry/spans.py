"""What OpenTelemetry calls spans, made of an exchange that has ended.

One server span for each exchange, and one client span for each attempt, with the attributes of
the semantic conventions for HTTP, version 1.44. Nothing is made while an exchange is served: an
exchange that is neither sampled nor worth it costs a look at its flags.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from proxy.core.exchange import Exchange
from proxy.core.keys_shown import hidden_keys
from proxy.core.record import ABANDONED, HEDGED, Attempt
from proxy.core.redaction import HIDDEN
from proxy.core.targets_shown import Targets
from proxy.core.ties import Ties
from proxy.http.authority import hostname
from proxy.http.grammar import Malformed
from proxy.http.request_id import is_parent, own_span
from proxy.http.target import split_target
from proxy.net.addresses import is_ip
from proxy.telemetry.access_log_line import escaped, named, printable
from proxy.telemetry.attempts import attempts
from proxy.telemetry.traffic import METHODS

Attributes: TypeAlias = dict[str, str | int | float | bool]
Bits: TypeAlias = Callable[[int], int]
Ids: TypeAlias = tuple[str, str]
"""Of a trace and of a span in it, in hex."""
_OTHER: Final = "_OTHER"
"""What the conventions call a method that they do not know."""
_PORTS: Final = {"http": 80, "https": 443}


class Event(NamedTuple):
    """A moment of a span."""

    name: str
    at: float
    attributes: Attributes


class Span(NamedTuple):
    """Times are monotonic."""

    span_id: str
    parent_id: str
    name: str
    server: bool
    began: float
    ended: float
    attributes: Attributes
    events: tuple[Event, ...]
    links: tuple[Ids, ...]
    failed: bool


class Trace(NamedTuple):
    """The spans of one exchange, that of the server first."""

    trace_id: str
    state: str
    sampled: bool
    spans: list[Span]


class Spans:
    """Makes them. Hides what the access log hides."""

    __slots__ = ("_bits", "_hidden", "_show")

    def __init__(self, redact: tuple[str, ...], bits: Bits) -> None:
        """``redact``: ``[log] redact``; ``bits``: makes random numbers of so many bits."""
        self._show = Targets(redact).show
        self._hidden = hidden_keys(redact)
        self._bits = bits

    def trace(self, exchange: Exchange, now: float) -> Trace:
        """Of an exchange that ends now; one that was refused before it had a trace gets one."""
        parent, state = _context(exchange)
        if not parent:
            made = f"{self._bits(128) or 1:032x}"
            parent = f"00-{made}-{own_span(made)}-00"
        trace_id, parent_id = parent[3:35], parent[36:52]
        span_id = f"{self._bits(64) or 1:016x}"
        if parent_id == own_span(trace_id):  # it began here, see ``http/request_id``
            span_id, parent_id = parent_id, ""
        spans = [self._server(exchange, now, span_id, parent_id)]
        spans += self._clients(exchange, now, span_id)
        return Trace(trace_id, state, bool(int(parent[53:55], 16) & 1), spans)

    def refresh(self, exchange: Exchange, now: float) -> Trace:
        """What is stored was asked for anew, for no client: its attempts alone.

        They are children of the span that the traceparent names: that of the request that was given
        a stale answer, where its trace began here, else the one above that.
        """
        parent, state = _context(exchange)
        spans = self._clients(exchange, now, parent[36:52])
        for span in spans:
            span.attributes["sidecar_proxy.background"] = True
        return Trace(parent[3:35], state, sampled=True, spans=spans)

    def _server(self, exchange: Exchange, now: float, span_id: str, parent_id: str) -> Span:
        record, status, error = exchange.record, exchange.status, exchange.error
        agent, hidden = named(exchange.headers)[0], self._hidden
        name = printable(exchange.request_id)
        target = escaped(self._show(_in_origin_form(exchange)))
        path, mark, query = target.partition("?")
        found: Attributes = {
            **_method(exchange),
            "url.scheme": exchange.scheme,
            "url.path": path,
            "network.protocol.name": "http",
            "network.protocol.version": "{}.{}".format(*exchange.version),
            "sidecar_proxy.request_id": HIDDEN if "request_id" in hidden else name,
            "sidecar_proxy.attempts": record.attempt_count,
            "http.request.body.size": exchange.bytes_in,
            "http.response.body.size": exchange.bytes_out,
        }
        if mark:
            found["url.query"] = query
        if "host" not in hidden:
            _put_server(found, exchange.host)
        _put_client(found, exchange.ties)
        for name, value in (
            ("http.route", exchange.route),
            ("client.address", exchange.client),
            ("user_agent.original", HIDDEN if agent and "user_agent" in hidden else agent),
            ("sidecar_proxy.upstream", record.upstream),
        ):
            if value:
                found[name] = value
        if status:
            found["http.response.status_code"] = status
        failed = status >= 500 or (bool(error) and status != 499 and status < 400)
        if failed or error:
            found["error.type"] = error or str(status)
        events = []
        if record.queue_s:
            events.append(Event("queue", exchange.asked_at, {"seconds": record.queue_s}))
        if record.first_byte_at is not None:
            events.append(Event("first_byte", record.first_byte_at, {}))
        if record.clock:
            events.append(Event("timeout", now, {"clock": record.clock}))
        if record.refused:
            events.append(Event("refused", now, {"reason": record.refused}))
        links = () if record.shared_span is None else (record.shared_span,)
        name = _name(exchange, exchange.route)
        began = exchange.started_at
        return Span(span_id, parent_id, name, True, began, now, found, tuple(events), links, failed)

    def _clients(self, exchange: Exchange, now: float, parent_id: str) -> list[Span]:
        tries = attempts(exchange, now)
        if not tries:
            return []
        # The one that counts stands last; a copy may have been sent after it.
        order = sorted(range(len(tries)), key=lambda place: tries[place].began)
        spans = []
        for place, attempt in enumerate(tries):
            number = order.index(place)
            last = place == len(tries) - 1
            ended_before = exchange.record.attempt_ended_at > attempt.began
            until = now if last and not ended_before else None
            span_id = attempt.span_id or f"{self._bits(64) or 1:016x}"
            spans.append(self._client(exchange, attempt, number, (span_id, parent_id), until))
        parent, _ = _context(exchange)
        # A copy that was overtaken tells by which attempt.
        won = ((parent[3:35], spans[-1].span_id),)
        return [
            span._replace(links=won) if attempt.outcome == HEDGED else span
            for span, attempt in zip(spans, tries, strict=True)
        ]

    def _client(
        self,
        exchange: Exchange,
        attempt: Attempt,
        number: int,
        ids: Ids,
        until: float | None,
    ) -> Span:
        target = escaped(self._show(exchange.target))
        found: Attributes = {
            **_method(exchange),
            "network.protocol.name": "http",
            "network.protocol.version": "1.1",
        }
        if number:
            found["http.request.resend_count"] = number
        base, connected = attempt.endpoint, attempt.connect_s is not None
        if base.startswith("unix:"):
            found["server.address"] = path = base.removeprefix("unix:")
            if connected:
                found["network.peer.address"] = path
            host = "" if "host" in self._hidden else printable(exchange.host)
            base = f"http://{host or 'localhost'}"
        else:
            address = urlsplit(base)
            _put_server(found, address.netloc, _PORTS.get(address.scheme))
            if connected and is_ip(str(found["server.address"])):  # a name has several
                found["network.peer.address"] = found["server.address"]
                found["network.peer.port"] = found["server.port"]
        found["url.full"] = base + (target if target.startswith("/") else "/")
        record, outcome, hedged = exchange.record, attempt.outcome, attempt.outcome == HEDGED
        failed = not hedged and not outcome.isdecimal()
        if outcome.isdecimal():
            found["http.response.status_code"] = int(outcome)
            failed = int(outcome) >= 400
        elif attempt.reply_status:  # its head had come
            found["http.response.status_code"] = attempt.reply_status
        if failed or hedged:
            told = until is not None and (outcome == ABANDONED or not record.attempt_log)
            by_token = told and exchange.error and not outcome.isdecimal()
            found["error.type"] = exchange.error if by_token else outcome
        events: tuple[Event, ...] = ()
        if attempt.connect_s:
            events = (Event("connect", attempt.began, {"seconds": attempt.connect_s}),)
        began = attempt.began or exchange.started_at
        ended = began + attempt.seconds if until is None else max(until, began)
        name = _name(exchange, "")
        return Span(*ids, name, False, began, ended, found, events, (), failed)


def _context(exchange: Exchange) -> tuple[str, str]:
    """The traceparent that came, or that was made for it, and the tracestate; empty for none.

    Several fields of the latter are one list (W3C Trace Context 3.3.1).
    """
    parent, state = exchange.record.traced, b""
    for name, value in exchange.headers:
        size = len(name)
        if size == 11 and not parent and name.lower() == b"traceparent":  # house: one pass
            parent = value if is_parent(value) else b""
        elif size == 10 and name.lower() == b"tracestate":  # house: one pass
            state = state + b"," + value if state else value
    return parent.decode("latin-1"), state.decode("latin-1") if parent else ""


def _method(exchange: Exchange) -> Attributes:
    if exchange.method in METHODS:
        return {"http.request.method": exchange.method}
    original = printable(exchange.method)
    return {"http.request.method": _OTHER, "http.request.method_original": original}


def _in_origin_form(exchange: Exchange) -> bytes:
    """The target as the client sent it, without the scheme and authority of an absolute one."""
    try:
        return split_target(exchange.method, exchange.raw_target)[0]
    except Malformed:
        return exchange.raw_target


def _name(exchange: Exchange, route: str) -> str:
    """``{method} {http.route}``, as the conventions have it."""
    method = exchange.method if exchange.method in METHODS else "HTTP"
    return f"{method} {route}".rstrip()


def _put_client(found: Attributes, ties: Ties | None) -> None:
    """The other end of the connection, whoever it speaks for; nothing where that is gone."""
    transport = None if ties is None else ties.transport
    name = None if transport is None else transport.get_extra_info("peername")
    if isinstance(name, tuple):
        found["network.peer.address"] = name[0].removeprefix("::ffff:")
        found["network.peer.port"] = name[1]


def _put_server(found: Attributes, authority: str, usual: int | None = None) -> None:
    """``usual``: the port where ``authority`` names none."""
    if not authority:
        return
    if usual is not None:
        found["server.port"] = usual
    found["server.address"] = hostname(printable(authority)).strip("[]")
    port = authority.rpartition(":")[2]
    if port.isdecimal() and "]" not in port and port != authority:
        found["server.port"] = int(port)
