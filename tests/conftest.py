"""What every test has: the loop it runs on, and a word about skipping."""

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from weakref import WeakValueDictionary

import pytest
import uvloop
from hypothesis import settings

from proxy.core import keys_shown, redaction
from tests.support import ways
from tests.support.authority import Authority
from tests.support.hangs import bound_teardown, show_tasks_at_timeout
from tests.support.loop import JumpingLoop

# A machine may be slow or busy: how long an example takes says nothing about what is right.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret of one test's configuration hides no words from the next."""
    monkeypatch.setattr(redaction, "_configured", {})
    monkeypatch.setattr(redaction, "_rotating", WeakValueDictionary())
    monkeypatch.setattr(redaction, "_latest", {})
    monkeypatch.setattr(redaction, "_rules_now", redaction._rules_now)
    monkeypatch.setattr(redaction, "_more", set())
    monkeypatch.setattr(keys_shown, "_now", frozenset())


LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_collection_finish() -> None:
    """The collector need not look at all tests and modules again and again: half a second each."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The loop that is used where time is real."""
    parser.addoption(
        "--loop",
        choices=("uvloop", "asyncio"),
        default=os.environ.get("SIDECAR_LOOP", "uvloop"),
        help="event loop of the tests that use sockets (default: uvloop, which the proxy uses)",
    )
    parser.addoption(
        "--way",
        choices=ways.WAYS,
        default=os.environ.get("SIDECAR_WAY", "usual"),
        help="how tests/wire has heads read: as in production, none of them fast, or the first too",
    )


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """A test that asks for ``jumping`` gets the loop whose clock jumps."""
    if "jumping" in getattr(item, "fixturenames", ()):
        return {"jumping": JumpingLoop}
    if config.getoption("--loop") == "asyncio":
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def jumping() -> JumpingLoop:
    """The loop whose clock jumps; asking for it is what makes a test run on it."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return loop


@pytest.fixture
async def nothing_left(jumping: JumpingLoop) -> AsyncIterator[None]:
    """No task outlives a test that asks for this."""
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped (SIDECAR_NO_SKIP), a skip is a failure."""
    report = yield
    if report.skipped and os.environ.get("SIDECAR_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer() -> Generator[None, object, object]:
    """A test that hangs is ended by pytest-timeout; which tasks wait, it does not say."""
    result = yield
    show_tasks_at_timeout()
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """The end of a test that has failed may hang too."""
    bound_teardown(item)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Made once; skipped where there is no openssl to make it with."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    return Authority(tmp_path_factory.mktemp("ca"))
