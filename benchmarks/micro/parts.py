"""What single parts take: median times, for looking at, never compared."""

import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

_ROUNDS: Final = 9
_AIM: Final = 0.02
"""Seconds of a round: long beside the clock's grain, short beside a time slice."""

_FIELDS: Final = [
    (b"Host", b"api.test"),
    (b"User-Agent", b"bench/1.0"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"Authorization", b"Bearer 0123456789abcdef0123456789abcdef"),
    (b"Connection", b"keep-alive"),
]
_REPLY: Final = [
    (b"Server", b"upstream"),
    (b"Date", b"Fri, 20 Nov 2026 20:00:00 GMT"),
    (b"Content-Type", b"application/json"),
    (b"Cache-Control", b"no-store"),
]


def named(name: str) -> Any:
    """``"proxy.http.target:normal_path"``, whatever type it has today."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _normal_path() -> Callable[[], object]:
    normal_path = named("proxy.http.target:normal_path")
    return lambda: normal_path(b"/v1/items/42?page=2")


def _end_to_end_request() -> Callable[[], object]:
    end_to_end_request = named("proxy.http.hop_by_hop:end_to_end_request")
    return lambda: end_to_end_request(_FIELDS)


def _forwarding() -> Callable[[], object]:
    apply = named("proxy.edge.forwarded:Forwarding")(()).apply
    fields = _FIELDS[1:-1]
    return lambda: apply(fields, peer="127.0.0.1", scheme="http", host=b"api.test")


def _identify() -> Callable[[], object]:
    identify = named("proxy.http.request_id:ensure_ids")
    fields = _FIELDS[1:-1]
    return lambda: identify(fields)


def _router() -> Callable[[], object]:
    options = named("proxy.edge.router:RouteOptions")
    routes = [options(path=path, upstream="api") for path in ("/v1", "/v1/items", "/v2")]
    routes.append(options(host="*.example.com", upstream="api"))
    find = named("proxy.edge.router:Router")([(route, route.path) for route in routes]).find
    return lambda: find("GET", "api.test", "/v1/items/42", _FIELDS)


def _reply_head() -> Callable[[], object]:
    head = named("proxy.edge.http1.encode:reply_head")
    own = [(b"Via", b"1.1 sidecar-proxy-01234567"), (b"X-Request-Id", b"0" * 32)]
    framing = b"Content-Length: 178\r\n"
    return lambda: head(200, b"OK", _REPLY, own, None, framing=framing)


def _request_head() -> Callable[[], object]:
    config = named("proxy.config.load:from_upstream")("http://127.0.0.1:9000")
    options = config.upstreams[0]
    entry = named("proxy.upstream.options:entries")(options)[0]
    address = named("proxy.upstream.address:Address")(options, entry, None)
    timeouts = named("proxy.core.timeouts:TimeoutsOptions")()
    kept = named("proxy.http.hop_by_hop:end_to_end_response")
    head = named("proxy.upstream.forward:Forward")(address, None, timeouts, kept).request_head
    exchange = _exchange()
    return lambda: head(exchange)


def _exchange() -> Any:
    return named("proxy.core.exchange:Exchange")(
        "GET",
        b"/v1/items/42?page=2",
        _FIELDS[1:-1],
        host="api.test",
        request_id="0123456789abcdef0123456789abcdef",
    )


PARTS: Final = {
    "normal_path": _normal_path,
    "end_to_end_request": _end_to_end_request,
    "Forwarding.apply": _forwarding,
    "identify": _identify,
    "Router.find": _router,
    "reply_head": _reply_head,
    "Forward.request_head": _request_head,
}


def times() -> Iterator[tuple[str, float | None]]:
    """Microseconds of each part, None where it is no longer what it was."""
    for name, made in PARTS.items():
        try:
            part = made()
            part()
        except (ImportError, AttributeError, TypeError):
            yield name, None
        else:
            yield name, _median(part) * 1e6


def _median(part: Callable[[], object]) -> float:
    calls = 1
    while (taken := _taken(part, calls)) < _AIM:
        calls = max(calls * 2, int(calls * _AIM / max(taken, 1e-9)))
    return statistics.median(_taken(part, calls) for _ in range(_ROUNDS)) / calls


def _taken(part: Callable[[], object], calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        part()
    return time.perf_counter() - begun
