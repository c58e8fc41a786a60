"""A file of the SQLite store for all tests of a module."""

import asyncio

import pytest

from tests.support.sqlite_files import fill


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a file consists of in which something is stored."""
    path = tmp_path_factory.mktemp("good") / "store.db"
    asyncio.run(fill(path))
    return path.read_bytes()
