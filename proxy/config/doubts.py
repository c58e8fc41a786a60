"""What can be read and never does what it says: warnings, each with what was probably meant.

A warning is for what is certain. What is unusual and works is nobody's mistake.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.config import values as fields
from proxy.config.addresses import split_listen
from proxy.config.model import Config, Route, Upstream
from proxy.config.paths import path_doubts
from proxy.config.problems import WARNING, Finding, Place
from proxy.core.options import Duration
from proxy.middleware.retry.options import RetryOptions
from proxy.upstream.credentials import credentials_field
from proxy.upstream.options import entries

_SCHEMES: Final = frozenset({"bearer", "basic", "token", "digest", "apikey", "negotiate"})
_CREDENTIALS: Final = ("authorization", "proxy-authorization", "x-api-key", "api-key")


def doubts(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Every warning once; what routes inherit is a matter of the table at the top."""
    seen: set[Finding] = set()
    for place, message in _all(config, raw):
        finding = Finding(place, f"{WARNING} {message}")
        if finding not in seen:
            seen.add(finding)
            yield finding


def _all(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _server(config, raw)
    used = {name for route in config.routes for name in _names(route)}
    known = {upstream.name for upstream in config.upstreams}
    for index, upstream in enumerate(config.upstreams):
        place: Place = ("upstreams", index)
        # A route with a name that nobody has may mean any.
        if config.routes and upstream.name not in used and used <= known:
            yield Finding(place, f"no route uses {upstream.name!r}: expected [[routes]] with it")
        yield from _upstream(upstream, _Written(raw, "upstreams", index), place)
        yield from _addresses(config, upstream, place)
    for index, route in enumerate(config.routes):
        written = _Written(raw, "routes", index)
        yield from _clocks(route, written)
        yield from _repeats(route, written)
        yield from _once(route, written)
        if written.entry:
            yield from path_doubts(route, written.entry, ("routes", index))
            yield from _fields(route, ("routes", index))


class _Written:
    """Where the file itself says something about an entry of a list."""

    def __init__(self, raw: Mapping[str, Any], kind: str, index: int) -> None:
        self._raw = raw
        self._place: Place = (kind, index)
        entries_ = raw.get(kind) or ()
        self.entry: Mapping[str, Any] = entries_[index] if index < len(entries_) else {}

    def place(self, table: str, option: str = "") -> Place | None:
        """The place of a table, or of an option in it; of the top where it is inherited."""
        own = self.entry.get(table)
        if own is False:
            return None
        rest = (table, option) if option else (table,)
        if isinstance(own, Mapping) and (not option or option in own):
            return (*self._place, *rest)
        top = self._raw.get(table)
        if isinstance(top, Mapping) and (not option or option in top):
            return rest
        return None


def _names(route: Route) -> tuple[str, ...]:
    others = route.fallback if isinstance(route.fallback, tuple) else ()
    return (route.upstream, *others)


def _server(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    server = config.server
    listens = [server.listen] if isinstance(server.listen, str) else [*server.listen]
    if config.admin is not None:
        listens += [config.admin.listen, config.admin.probes]
    unix = any(address.startswith("unix:") for address in listens)
    for name in ("unix_mode", "unix_owner"):
        if name in (raw.get("server") or ()) and not unix:
            yield Finding(("server", name), "no listener is a unix socket")
    if "unix" in server.trusted_proxies and not unix:
        index = server.trusted_proxies.index("unix")
        place = ("server", "trusted_proxies", index)
        yield Finding(place, "no listener is a unix socket, so no client comes by one")
    if not config.log.access and "sample" in (raw.get("log") or ()):
        yield Finding(("log", "sample"), "nothing is logged with access = false")
    clocks = raw.get("timeouts") or {}
    if "queue" in clocks and all(upstream.concurrency is None for upstream in config.upstreams):
        message = "nothing ever waits: expected [concurrency] max_requests and [queue]"
        yield Finding(("timeouts", "queue"), message)


def _upstream(options: Upstream, written: _Written, place: Place) -> Iterator[Finding]:
    balance, limits = options.load_balance, options.concurrency
    at = written.place("load_balance", "hash_key")
    if at and balance is not None and balance.policy != "hash":
        yield Finding(at, f'policy is "{balance.policy}": expected policy = "hash" beside it')
    at = written.place("concurrency", "min")
    if at and limits is not None and limits.adaptive == "off":
        yield Finding(at, 'the limit does not move: expected adaptive = "gradient" beside it')
    if options.tls is not None and not options.tls.verify:
        for name in ("ca_file", "server_name"):
            if name == "ca_file" and options.tls.ca_file:
                yield Finding((*place, "tls", name), "nothing is checked with verify = false")
    if options.credentials is not None and not fields.is_pipe(options.credentials.value_file):
        name = "value_file" if options.credentials.value_file else "value"
        try:
            header, value = credentials_field(options.credentials)
        except (OSError, ValueError):  # a problem of its own
            return
        if fault := _secret_fault(header.decode(), value.decode("latin-1")):
            yield Finding((*place, "credentials", name), fault)


def _secret_fault(name: str, value: str) -> str:
    """Why a value cannot be the credentials that it should be. It is not repeated."""
    words = value.split()
    low = [word.lower() for word in words[:2]]
    if name.lower() in _CREDENTIALS:
        if low and low[0].rstrip(":") == name.lower():
            return f"the name {name} does not belong in the value"
        if len(words) == 1 and low[0].rstrip(":") in _SCHEMES:
            return "a scheme with nothing behind it: is the variable of the token empty?"
        if len(low) == 2 and low[0] == low[1] and low[0] in _SCHEMES:
            return f"{words[0]!r} stands there twice"
        if len(low) == 2 and low[0].rstrip(":") in _SCHEMES and low[0].endswith(":"):
            return f"did you mean {words[0][:-1]!r}, without the colon?"
        if not words:
            return "it is empty: is the variable?"
    return ""


def _addresses(config: Config, options: Upstream, place: Place) -> Iterator[Finding]:
    """Servers that cannot be meant."""
    server = config.server
    listens = (server.listen,) if isinstance(server.listen, str) else server.listen
    ours = {_normal(address) for address in listens if not address.endswith(":0")}
    for index, entry in enumerate(entries(options)):
        at = (*place, "servers", index)
        scheme, _, authority = entry.url.rstrip("/").partition("://")
        if entry.url.startswith("unix:"):
            if entry.url in listens:
                yield Finding(at, "this is the proxy's own socket: every request ends in 508")
        elif _normal(authority if ":" in authority else f"{authority}:80") in ours:
            yield Finding(at, "this is the proxy's own address: every request ends in 508")
        elif scheme == "http" and authority.endswith(":443"):
            yield Finding(at, f"port 443 is that of https, did you mean 'https://{authority}'?")
        elif scheme == "https" and authority.endswith(":80"):
            yield Finding(at, f"port 80 is that of http, did you mean 'http://{authority}'?")


def _normal(address: str) -> tuple[str, int] | str:
    """An address in the form in which two of the same are equal; all names of loopback are one."""
    if address.startswith("unix:"):
        return address
    try:
        host, port = split_listen(address)
    except ValueError:
        return address
    return ("" if host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "") else host), port


def _clocks(route: Route, written: _Written) -> Iterator[Finding]:
    clocks, retry = route.timeouts, route.retry
    at = written.place("timeouts", "per_try")
    if at is None or not clocks.per_try or 0 < clocks.total < clocks.per_try:
        return  # the last is a problem of its own
    if clocks.per_try > clocks.first_byte > 0:
        message = (
            f"per_try ({clocks.per_try}) is longer than first_byte ({clocks.first_byte}), "
            "so it never runs out"
        )
        yield Finding(at, message)
    elif retry is None or retry.attempts == 1:
        yield Finding(at, "no other attempt follows: expected [retry] attempts above 1")
    elif "timeout" not in retry.on:
        yield Finding(at, 'no other attempt follows: expected "timeout" in [retry] on')


def _repeats(route: Route, written: _Written) -> Iterator[Finding]:
    retry = route.retry
    if retry is not None:
        on, budget = written.place("retry", "on"), retry.budget
        if on and retry.attempts == 1:
            yield Finding(on, "nothing is tried again with attempts = 1")
        elif on and not retry.on:
            yield Finding(on, "nothing is tried again; retry = false says so too")
        base = written.place("retry", "backoff_base")
        if base and retry.backoff_base > retry.backoff_max > 0:
            message = f"longer than backoff_max ({retry.backoff_max}), which is then waited"
            yield Finding(base, message)
        table = written.place("retry", "budget")
        if table and 0 < budget.percent < 1:
            meant = f"less than one percent, did you mean {budget.percent * 100:g}?"
            yield Finding((*table, "percent"), meant)
        if table and not budget.percent and not budget.min_per_second:
            yield Finding(table, "nothing is tried again: percent and min_per_second are 0")
    breaker, table = route.circuit_breaker, written.place("circuit_breaker")
    if breaker is not None and table:
        if not breaker.consecutive_failures and not breaker.failure_ratio:
            message = "no server is ever ejected: expected consecutive_failures or failure_ratio"
            yield Finding(table, message)
        base = written.place("circuit_breaker", "base_ejection_time")
        if base and breaker.base_ejection_time > breaker.max_ejection_time > 0:
            yield Finding(base, f"longer than max_ejection_time ({breaker.max_ejection_time})")
        counted = written.place("circuit_breaker", "min_requests")
        if counted and not breaker.failure_ratio:
            yield Finding(counted, "no ratio is counted: expected failure_ratio beside it")


def _once(route: Route, written: _Written) -> Iterator[Finding]:
    """Tables for requests of a kind that the route does not take."""
    methods = set(route.methods)
    hedge, at = route.hedge, written.place("hedge")
    if hedge is not None and at:
        rule = route.retry or RetryOptions()
        key = rule.idempotency_header
        if not hedge.budget_percent:
            yield Finding(at, "no copy is ever sent with budget_percent = 0")
        elif not (methods or set(rule.methods)) & set(rule.methods):
            may = f", but for what carries {key}" if key else ""
            taken = ", ".join(route.methods) or "any method"
            if not (key and written.place("retry", "idempotency_header")):
                message = f"nothing of {taken} may be repeated{may}: see [retry] methods"
                yield Finding(at, message)
        if hedge.delay[:1].isdigit() and 0 < route.timeouts.first_byte <= _seconds(hedge.delay):
            message = f"first_byte ({route.timeouts.first_byte}) ends before delay"
            yield Finding((*at, "delay"), message)
    if methods and not methods & {"GET", "HEAD", "QUERY"}:
        if route.coalesce is not None and (at := written.place("coalesce")):
            yield Finding(at, f"nothing of {', '.join(route.methods)} is shared, only GET")
        at = written.place("stream", "resume")
        if at and route.stream is not None and route.stream.resume:
            yield Finding(at, f"nothing of {', '.join(route.methods)} is resumed, only GET")


def _seconds(text: str) -> float:
    try:
        return Duration.parse(text)
    except ValueError:
        return 0.0


def _fields(route: Route, place: Place) -> Iterator[Finding]:
    for name, value in route.headers.items():
        if "*" in value and value != "*":
            message = 'a * within a value stands for itself; "*" alone is any value'
            yield Finding((*place, "headers", name), message)
    rules = route.request_headers
    for act in ("set", "add") if rules is not None else ():
        for name, value in getattr(rules, act).items():
            if fault := _secret_fault(name, value):
                yield Finding((*place, "request_headers", act, name), fault)
