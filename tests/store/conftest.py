"""What tests of several stores want: a file of SQLite, and a server of Redis."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer, redis_server
from tests.support.sqlite_files import fill


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a file consists of in which something is stored."""
    path = tmp_path_factory.mktemp("good") / "store.db"
    asyncio.run(fill(path))
    return path.read_bytes()


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    """A running redis-server."""
    async with redis_server() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a file of SQLite that is not there yet."""
    return tmp_path / "store.db"
