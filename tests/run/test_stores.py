"""Which store a configuration has."""

from pathlib import Path
from typing import Final

import pytest

from proxy import create_app
from proxy.core.cache_options import CacheOptions, StoreOptions
from proxy.core.duration import Duration
from proxy.core.size import Size
from proxy.run.stores import store_of
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore
from tests.support.client import Address, ask
from tests.support.message import get, length
from tests.support.mounted import served
from tests.support.process import started
from tests.support.upstream import RawUpstream
from tests.support.workers import where


def bound(*sizes: int) -> int:
    store = store_of(None, [None, *(CacheOptions(max_size=Size(size)) for size in sizes)])
    assert isinstance(store, MemoryStore)
    return store.max_size


def test_there_is_one_if_a_route_asks_for_it() -> None:
    assert store_of(None, []) is None
    assert store_of(None, [None, None]) is None


def test_the_largest_bound_counts() -> None:
    assert bound(1 << 20, 1 << 21) == 1 << 21
    assert bound(1 << 20, 0) > 1 << 40


async def test_a_file_is_opened_when_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    options = StoreOptions(url=f"sqlite:{path}", timeout=Duration(0))
    store = store_of(options, [CacheOptions()])
    assert isinstance(store, SqliteStore)
    assert not path.exists()
    assert not await store.get(b"k")
    assert path.exists()
    await store.close()


FRESH: Final = length(b"ok", fields=b"Cache-Control: max-age=60\r\n")
CANNOT: Final = ["no directory", "a directory"]


def away(folder: Path, why: str) -> str:
    """The URL of a store that cannot be opened."""
    return f"sqlite:{folder / 'missing' / 'a.db' if why == 'no directory' else folder}"


async def misses(upstream: RawUpstream, address: Address) -> None:
    """Nothing is stored, and all is served."""
    for number in range(1, 4):
        answer = await ask(address, get(fields=b"Connection: close\r\n"))
        assert (answer.status, answer.body) == (200, b"ok")
        assert len(upstream.requests) == number


@pytest.mark.parametrize("why", CANNOT)
async def test_run_serves_without_a_store_that_cannot_be_opened(tmp_path: Path, why: str) -> None:
    file = tmp_path / "config.toml"
    async with RawUpstream([FRESH]) as upstream:
        file.write_text(
            f'[server]\nlisten = "127.0.0.1:0"\n[store]\nurl = "{away(tmp_path, why)}"\n[cache]\n'
            f'[[upstreams]]\nname = "api"\nservers = ["{upstream.url}"]\n'
            '[[routes]]\nupstream = "api"\n'
        )
        async with started("run", str(file)) as proxy:
            await proxy.ready()
            await misses(upstream, where(proxy.http[0]))
            assert "unable to open database file" in await proxy.line("proxy.store")
            assert await proxy.stopped() == 0


@pytest.mark.parametrize("why", CANNOT)
async def test_create_app_does_as_run_does(
    tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawUpstream([FRESH]) as upstream:
        app = create_app(
            {
                "store": {"url": away(tmp_path, why)},
                "cache": {},
                "upstreams": [{"name": "api", "servers": [upstream.url]}],
            }
        )
        async with served(app) as address:
            await misses(upstream, address)
    told = [each for each in caplog.messages if "unable to open database file" in each]
    assert len(told) == 1
