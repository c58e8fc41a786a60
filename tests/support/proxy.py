"""The whole proxy, in the test's own loop, between a raw client and a raw upstream."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from proxy.config.load import load, read
from proxy.config.model import Config
from proxy.config.problems import Problem
from proxy.core.exchange import Exchange
from proxy.run.changes import Report
from proxy.run.runtime import Runtime
from proxy.run.tree import Tree
from tests.support.client import Address, RawClient, Response, ask
from tests.support.message import get
from tests.support.upstream import PATIENCE, RawUpstream, Script

Tables: TypeAlias = Mapping[str, Any]


class Proxy:
    """A running proxy and what it has logged."""

    def __init__(self, text: str) -> None:
        self.records: list[Exchange] = []
        """One exchange per line of the access log, in the order in which they ended."""
        self.tables: dict[str, Any] = {}
        self.text = text
        """What is read again for a reload."""
        self.runtime = Runtime(parsed(text), observers=(self._ended,), read=self._read)

    def _read(self) -> tuple[Config | None, list[Problem]]:
        with written(self.text) as path:
            return read(path)

    async def reload(self, **tables: Any) -> Report:
        """Serve by these tables from now on, laid over those of ``proxied``. Raises CannotReload.

        ``upstream_options`` are the whole table of the one upstream, but for its name.
        """
        self.text = toml(laid_over(self.tables, tables))
        return await self.runtime.reload(parsed(self.text))

    def _ended(self, exchange: Exchange, _: float) -> None:
        self.records.append(exchange)

    @property
    def tree(self) -> Tree:
        """What its configuration was built into."""
        current = self.runtime._generations.current
        assert current is not None
        return current.tree

    @property
    def address(self) -> Address:
        """Where clients speak to it."""
        return _address(self.runtime.http[0])

    @property
    def admin(self) -> Address:
        """Where operators speak to it."""
        return _address(self.runtime.admin)

    @property
    def probes(self) -> Address:
        """Where probes speak to it alone, empty for nowhere."""
        operators = self.runtime._admin._operators
        assert operators is not None
        return _address(operators.probes) if operators.probes else ""

    async def connect(self, *, receive_buffer: int = 0) -> RawClient:
        """A client connection."""
        return await RawClient.connect(self.address, receive_buffer=receive_buffer)

    async def ask(self, data: bytes, *, patience: float = PATIENCE) -> Response:
        """One request on a connection of its own."""
        return await ask(self.address, data, patience=patience)

    async def breathe(self) -> None:
        """Let what has been sent arrive."""
        for _ in range(5):
            await asyncio.sleep(0.001)

    async def record(self, number: int = 0) -> Exchange:
        """The log record with this number, as soon as it is written."""
        async with asyncio.timeout(PATIENCE):
            while len(self.records) <= number:  # noqa: ASYNC110 - the proxy is not asked to notify tests
                await asyncio.sleep(0.001)
        return self.records[number]


def _address(text: str) -> Address:
    if text.startswith("unix:"):
        return text.removeprefix("unix:")
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)  # TOML's basic strings, numbers and booleans are JSON's


def toml(tables: Mapping[str, Any]) -> str:
    """Write tables, and arrays of tables, as TOML."""
    text = []
    for name, table in tables.items():
        if isinstance(table, Mapping):
            text += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
        elif isinstance(table, Sequence) and not isinstance(table, str):
            for entry in table:
                text += [f"[[{name}]]", *(f"{key} = {_value(v)}" for key, v in entry.items())]
        else:
            text.insert(0, f"{name} = {_value(table)}")
    return "\n".join(text) + "\n"


@contextlib.contextmanager
def written(text: str) -> Iterator[str]:
    """The path of a file with this text."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        yield file.name


def parsed(text: str) -> Config:
    """What a file with this text means."""
    with written(text) as path:
        return load(path)


def laid_over(tables: Tables, others: Tables) -> Tables:
    """Tables with others in their place; ``upstream_options`` is that of the first upstream."""
    found = {**tables, **others}
    if (options := found.pop("upstream_options", None)) is not None:
        first, *rest = found["upstreams"]
        found["upstreams"] = [{"name": first["name"], **options}, *rest]
    return found


@contextlib.asynccontextmanager
async def proxied(upstream: RawUpstream | str, **overrides: Any) -> AsyncIterator[Proxy]:
    """The proxy in front of ``upstream`` (or a URL), with these tables over the defaults.

    ``upstream_options`` are laid over the one upstream's table; ``others`` are the tables of more
    upstreams; ``routes`` replaces the one route.
    """
    url = upstream if isinstance(upstream, str) else upstream.url
    options = overrides.pop("upstream_options", {})
    others = overrides.pop("others", [])
    server = {"listen": "127.0.0.1:0", **overrides.pop("server", {})}
    if "admin" in overrides:  # the Host of the tests' requests
        overrides["admin"] = {"hosts": ["proxy.test"], **overrides["admin"]}
    routes = overrides.pop("routes", [{"upstream": "api"}])
    tables: dict[str, Any] = {
        **overrides,
        "server": server,
        "upstreams": [{"name": "api", "servers": [url], **options}, *others],
        "routes": routes,
    }
    proxy = Proxy(toml(tables))
    proxy.tables = tables
    await proxy.runtime.open()
    try:
        yield proxy
    except AssertionError as failed:
        failed.add_note("ended: " + (", ".join(map(_told, proxy.records)) or "nothing"))
        raise
    finally:
        await proxy.runtime.close()


@contextlib.asynccontextmanager
async def fronted(*scripts: Script, **tables: Any) -> AsyncIterator[tuple[RawUpstream, Proxy]]:
    """A server that plays these scripts, and the proxy in front of it."""
    async with RawUpstream(*scripts) as upstream, proxied(upstream, **tables) as proxy:
        yield upstream, proxy


@contextlib.asynccontextmanager
async def dialled(
    *scripts: Script, **tables: Any
) -> AsyncIterator[tuple[RawUpstream, Proxy, RawClient]]:
    """Likewise, with a client that has connected."""
    async with fronted(*scripts, **tables) as (upstream, proxy), await proxy.connect() as client:
        yield upstream, proxy, client


def _told(exchange: Exchange) -> str:
    """For whoever looks at a test that has failed."""
    _, sentence = exchange.record.failure
    return f"{exchange.raw_target!r} {exchange.status} {exchange.error} {sentence}".rstrip()


async def joined(proxy: Proxy, count: int) -> None:
    """Wait until as many clients have joined a call of the upstream."""
    async with asyncio.timeout(PATIENCE):
        while await _joined(proxy) != count:  # noqa: ASYNC110 - the proxy tells no tests
            await asyncio.sleep(0.01)


async def _joined(proxy: Proxy) -> int:
    state = json.loads((await ask(proxy.admin, get("/api/coalesce"))).body)
    return int(state["routes"]["/"]["joined"])
