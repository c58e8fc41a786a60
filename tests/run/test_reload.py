"""Reading a configuration again: as a whole, one at a time."""

import asyncio
import errno
import logging
import threading
from typing import Any

import pytest

from proxy.config.model import Config
from proxy.config.problems import Problem
from proxy.run.changes import Report
from proxy.run.reasons import CannotReload
from proxy.run.reload import Reloader

REPORT = Report(["route /a"], [], [], ["[server]"], [])
BAD = Problem("config.toml", 3, "retry.atempts", "unknown option")
WARNING = Problem("config.toml", 4, "retry", "warning: it never happens")


class Applied:
    """What was used, as soon as it may be."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.configs: list[Config] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, config: Config) -> Report:
        await self.may.wait()
        if self.error is not None:
            raise self.error
        self.configs.append(config)
        return REPORT


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(each) for each in caplog.records if each.name == "proxy.state"]


async def test_what_is_right_is_used_and_warnings_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    applied, config = Applied(), Config()
    reloader = Reloader(lambda: (config, [WARNING]), applied)
    outcome = await reloader.reload("SIGHUP")
    assert applied.configs == [config]
    assert outcome.told() == {
        "reloaded": True,
        "message": "added route /a; the rest is unchanged",
        "at": outcome.told()["at"],
        "added": ["route /a"],
        "changed": [],
        "removed": [],
        "kept": ["[server]"],
        "restart": [],
        "problems": [str(WARNING)],
    }
    assert "reload (SIGHUP): added route /a; the rest is unchanged" in caplog.messages
    assert f"reload: {WARNING}" in caplog.messages
    [record] = events(caplog)
    assert (record["event"], record["by"], record["added"]) == ("reloaded", "SIGHUP", ["route /a"])
    assert (record["kept"], record["restart"]) == (["[server]"], [])
    names = {sample.name: sample.value for sample in reloader.describe(0.0)}
    assert (names["reload_done"], names["reload_refused"]) == (1, 0)


async def test_what_is_wrong_is_not_used_and_every_problem_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    applied = Applied()
    reloader = Reloader(lambda: (Config(), [BAD, WARNING]), applied)
    outcome = await reloader.reload("SIGHUP")
    assert not applied.configs
    assert outcome.told()["reloaded"] is False
    assert outcome.problems == [str(BAD)]
    assert f"reload: {BAD}" in caplog.messages
    [record] = events(caplog)
    assert (record["event"], record["by"]) == ("reload_refused", "SIGHUP")
    assert record["problems"] == [str(BAD)]
    assert (reloader.done, reloader.refused) == (0, 1)
    shown = [sample.value for sample in reloader.describe(0.0)]
    assert str(BAD) in shown


@pytest.mark.parametrize("error", [CannotReload("port 80 is taken"), RuntimeError("a bug")])
async def test_what_cannot_be_used_is_said_as_well(error: Exception) -> None:
    reloader = Reloader(lambda: (Config(), []), Applied(error))
    outcome = await reloader.reload("SIGHUP")
    assert outcome.report is None
    assert str(error) in outcome.problems[0]


async def test_a_reader_that_fails_changes_nothing() -> None:
    def read() -> tuple[Config | None, list[Problem]]:
        raise RuntimeError("a bug")

    applied = Applied()
    outcome = await Reloader(read, applied).reload("SIGHUP")
    assert (outcome.report, applied.configs) == (None, [])


async def test_those_that_ask_while_one_is_under_way_share_the_next_one() -> None:
    applied = Applied()
    applied.may.clear()
    read = iter(range(100))
    numbers: list[int] = []

    def reading() -> tuple[Config | None, list[Problem]]:
        numbers.append(next(read))
        return Config(), []

    reloader = Reloader(reading, applied)
    first = asyncio.ensure_future(reloader.reload("one"))
    while not numbers:  # noqa: ASYNC110  (it is read in a thread)
        await asyncio.sleep(0.001)
    others = [asyncio.ensure_future(reloader.reload("more")) for _ in range(5)]
    await asyncio.sleep(0.01)
    applied.may.set()
    await asyncio.gather(first, *others)
    assert len(applied.configs) == 2
    assert reloader.done == 2


async def test_who_asked_may_leave_and_the_reload_goes_on() -> None:
    applied = Applied()
    applied.may.clear()
    reloader = Reloader(lambda: (Config(), []), applied)
    asked = asyncio.ensure_future(reloader.reload("one"))
    await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    applied.may.set()
    await reloader.reload("two")
    assert len(applied.configs) == 2


def test_a_file_that_cannot_be_read_to_its_end_holds_the_exit_up_for_nobody() -> None:
    """A disk of the network that is away, for instance."""
    begun, may = threading.Event(), threading.Event()

    def read() -> tuple[None, list[Problem]]:
        begun.set()
        may.wait()
        return None, [BAD]

    async def main() -> None:
        asking = asyncio.create_task(Reloader(read, Applied()).reload())
        await asyncio.to_thread(begun.wait)
        asking.cancel()

    ended = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    ended.start()
    ended.join(30)
    assert not ended.is_alive()
    may.set()


LIMIT = Problem("config.toml", 1, "file", "cannot be read: Too many open files")


@pytest.mark.parametrize(
    ("problems", "error", "passing"),
    [
        ([BAD], None, False),
        ([LIMIT], None, True),
        ([LIMIT, BAD], None, False),
        ([WARNING], CannotReload("cannot listen on :80: port 80 is taken"), True),
        ([], OSError(errno.EMFILE, "Too many open files"), True),
        ([], ValueError("a bug"), False),
        ([], None, False),
    ],
)
async def test_a_reason_that_is_not_in_the_file_may_pass(
    problems: list[Problem], error: Exception | None, *, passing: bool
) -> None:
    reloader = Reloader(lambda: (Config(), problems), Applied(error))
    assert await reloader.watched() is passing
    assert reloader.last is not None
    assert (reloader.last.report is None) is (passing or BAD in problems or error is not None)
