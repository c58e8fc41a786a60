"""The tables ``[cache]`` and ``[store]``: the cache, the coalescer and the stores read them."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.findings import Finding, Place, one, warn
from proxy.core.options import Table, described
from proxy.core.size import Size, size
from proxy.http.grammar import TCHAR

STORE: Final = "^(memory:|sqlite:.+|rediss?://.+|unix://.+)$"
NOT_A_STORE: Final = "is not a store of sidecar-proxy"
"""Said of a file of another program. The proxy runs on without a store, and tries it again."""
TARGET: Final = f"^[{TCHAR.decode()}]+$"


class StoreOptions(Table, frozen=True, kw_only=True):
    """Where replies are stored that `[cache]` keeps."""

    url: Annotated[
        str,
        Meta(
            pattern=STORE,
            description='"memory:" keeps them in this process; "sqlite:/var/lib/app/store.db" in a '
            "file, which survives a restart and which several processes share; "
            '"redis://127.0.0.1:6379/0" in Redis or Valkey, which several machines share.',
        ),
    ] = "memory:"
    namespace: Annotated[
        str,
        described(
            "In Redis, only proxies with the same namespace share what is stored: give each "
            "service its own."
        ),
    ] = ""
    timeout: Annotated[
        Duration,
        described("How long the proxy waits for a store that is no memory; then it is a miss."),
    ] = seconds(0.05)

    @property
    def in_memory(self) -> bool:
        """Whether each process has a store of its own."""
        return self.url == "memory:"


class CacheOptions(Table, frozen=True, kw_only=True):
    """Answer from stored replies, as a shared cache of HTTP (RFC 9111)."""

    ttl: Annotated[
        Duration,
        described(
            "How long a reply below 400 is fresh that says nothing of it itself; "
            '"0": a tenth of the time since its Last-Modified, at most a day.'
        ),
    ] = seconds(0)
    stale_while_revalidate: Annotated[
        Duration,
        described(
            "How long a stale reply is used while the upstream is asked in the background, unless "
            "the reply says it itself."
        ),
    ] = seconds(0)
    stale_if_error: Annotated[
        Duration,
        described(
            "How long a stale reply is used while the upstream cannot be reached or answers with "
            "429 or 5xx, unless the reply says it itself."
        ),
    ] = seconds(0)
    max_size: Annotated[
        Size,
        described(
            "Bytes that all stored replies take together; of several routes the largest counts. "
            '"0": no limit, so memory may run out. In memory each of several workers has a part of '
            "it; Redis has a bound of its own."
        ),
    ] = size(64 << 20)
    max_object: Annotated[Size, described("The longest body that is stored.")] = size(8 << 20)
    post: Annotated[
        bool,
        described(
            "Whether POSTs with a JSON body are stored too, by the canonical form of the body "
            "(RFC 8785): for model and search APIs, whose POSTs change nothing. Their streams of "
            "events are stored whole."
        ),
    ] = False
    replay: Annotated[
        Literal["fast", "paced"],
        described("A stored stream of events comes at once, or at the pace at which it came."),
    ] = "fast"
    targets: Annotated[
        tuple[Annotated[str, Meta(pattern=TARGET)], ...],
        described(
            "Fields that count before Cache-Control and Expires (RFC 9213): the first of them "
            "that a reply has."
        ),
    ] = ("Sidecar-Cache-Control", "CDN-Cache-Control")


_IN_QUERY: Final = re.compile(
    r"db|protocol|client_name|username|password|max_connections|health_check_interval"
    r"|retry_on_timeout|socket_(timeout|connect_timeout|keepalive)"
    r"|ssl_(ca_certs|ca_path|ca_data|certfile|keyfile|password|cert_reqs|check_hostname|ciphers)"
)
"""What may stand in the query of an address of Redis: what changes what is stored may not."""


def store_problems(options: StoreOptions | None, *, used: bool) -> Iterator[Finding]:
    """What is wrong with `[store]`; ``used``: whether a route has `[cache]`."""
    if options is None:
        return
    place: Place = ("store", "url")
    kind, _, rest = options.url.partition(":")
    if kind == "sqlite":
        yield from _sqlite_doubts(rest, place)
    if kind in ("redis", "rediss", "unix"):
        if find_spec("redis") is None:
            yield Finding(place, "Redis needs redis-py: pip install 'redis>=6'")
        else:
            yield from one(place, _redis_fault(options.url) or _query_fault(options.url))
    if not used:
        yield from warn(("store",), "no route has [cache], so nothing is stored")


def _sqlite_doubts(path: str, place: Place) -> Iterator[Finding]:
    if path == ":memory:":
        yield from warn(place, 'that is the name of a file here, did you mean "memory:"?')
    elif not Path(path).absolute().parent.is_dir():
        yield from warn(place, f"the directory of {path} is not there")
    elif Path(path).is_dir():
        yield from warn(place, f"{path} is a directory: expected the name of a file in it")


def _redis_fault(url: str) -> str:
    """What is wrong with an address of Redis. It may hold a password, so none of it is repeated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "not a URL, expected one as redis://127.0.0.1:6379/0"
    databases = parse_qs(parts.query, keep_blank_values=True).get("db", [])
    if parts.scheme != "unix":
        databases += filter(None, [unquote(parts.path).strip("/")])
        try:
            if parts.port == 0:
                raise ValueError
        except ValueError:
            return "expected a port from 1 to 65535"
    if not all(each.isascii() and each.isdecimal() for each in databases):
        return "expected the number of a database, as in redis://127.0.0.1:6379/0"
    return ""


def _query_fault(url: str) -> str:
    """Which part of the query cannot be used. Its value is not repeated."""
    from redis.asyncio import ConnectionPool  # noqa: PLC0415 - it is heavy, and may not be there
    from redis.exceptions import RedisError  # noqa: PLC0415 - likewise

    base, _, query = url.partition("?")
    for name, found in parse_qs(query, keep_blank_values=True).items():
        if not _IN_QUERY.fullmatch(name):
            expected = "expected db, max_connections or ssl_ca_certs"
            hint = "TLS is rediss://" if name in ("ssl", "tls") else expected
            return f"{name!r} in the query is not taken here: {hint}"
        try:
            pool: Any = ConnectionPool.from_url(f"{base}?{urlencode({name: found[0]})}")
            pool.make_connection()  # it connects to nobody
        except (TypeError, ValueError, RedisError):
            return f"{name!r} in the query has a wrong value, or does not go with the scheme"
    return ""
