"""The whole proxy over loopback: nothing may go wrong unseen."""

import logging
from collections.abc import Iterator

import pytest

from tests.support import ways


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[list[str]]:
    """No error is logged: neither a traceback of aiohttp's nor a task that nobody awaited.

    A test that wants one empties the list.
    """
    complaints = _Complaints()
    root = logging.getLogger()
    root.addHandler(complaints)
    yield complaints.heard
    root.removeHandler(complaints)
    assert complaints.heard == []


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How heads are read; proxies that run in a process of their own read as in production."""
    chosen: str = request.config.getoption("--way")
    ways.take(chosen, monkeypatch)
    return chosen
