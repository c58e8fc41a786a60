"""Files that change, and who is told of it."""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from proxy.run import watch
from proxy.run.watch import Watch

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.01)


class Told:
    """Counts reloads."""

    def __init__(self) -> None:
        self.times = 0
        self.fails = False
        self.passing = 0
        """How many of the next reloads fail for a reason that may pass."""
        self.looks = 0

    async def reload(self) -> bool:
        self.times += 1
        if self.fails:
            raise RuntimeError("a bug")
        self.passing -= 1
        return self.passing >= 0

    async def until(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.times < times:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.001)

    def looking_at(self, *paths: Path) -> Callable[[], list[str]]:
        return lambda: self.look(paths)

    def look(self, paths: Iterable[Path]) -> list[str]:
        self.looks += 1
        return [str(path) for path in paths]

    async def looked(self, times: int) -> None:
        """Until so many more looks have been made."""
        wanted = self.looks + times
        async with asyncio.timeout(PATIENCE):
            while self.looks < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


async def test_a_change_is_told_once(tmp_path: Path) -> None:
    path, told = tmp_path / "config.toml", Told()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    looking.open()
    await told.looked(3)
    assert told.times == 0
    path.write_text("ab")
    await told.until(1)
    await told.looked(5)
    assert told.times == 1
    await looking.close()


async def test_a_link_that_is_turned_and_a_file_that_comes_are_changes(tmp_path: Path) -> None:
    one, two, link, late = (tmp_path / name for name in ("one", "two", "link", "late"))
    one.write_text("a")
    two.write_text("a")
    link.symlink_to(one)
    told = Told()
    looking = Watch(told.looking_at(link, late), told.reload)
    looking.open()
    await told.looked(2)
    other = tmp_path / "other"
    other.symlink_to(two)
    os.replace(other, link)
    await told.until(1)
    late.write_text("x")
    await told.until(2)
    await looking.close()


async def test_a_file_that_is_being_written_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter("abcdef")
    at_reload: list[str] = []
    now = "f"

    def marks(names: list[str]) -> tuple[str, ...]:
        nonlocal now
        now = next(seen, "f")
        return (now,) * len(names)

    monkeypatch.setattr(watch, "marks", marks)
    told = Told()

    async def reload() -> bool:
        at_reload.append(now)
        return await told.reload()

    looking = Watch(told.looking_at(tmp_path), reload)
    looking.open()
    await told.until(1)
    await told.looked(3)
    assert at_reload == ["f"]
    await looking.close()


async def test_files_that_come_to_be_named_are_no_change_and_are_looked_at(tmp_path: Path) -> None:
    first, second, told = tmp_path / "first", tmp_path / "second", Told()
    first.write_text("a")
    second.write_text("a")
    paths = [first]
    looking = Watch(lambda: told.look(paths), told.reload)
    looking.open()
    await told.looked(2)
    paths.append(second)
    await told.looked(3)
    assert told.times == 0
    second.write_text("ab")
    await told.until(1)
    await looking.close()


async def test_a_change_before_it_begins_is_one(tmp_path: Path) -> None:
    path, told = tmp_path / "config.toml", Told()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    path.write_text("ab")
    looking.open()
    await told.until(1)
    await looking.close()


async def test_it_goes_on_after_a_reload_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, told = tmp_path / "config.toml", Told()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    looking.open()
    await told.looked(2)
    told.fails = True
    path.write_text("ab")
    await told.until(1)
    path.write_text("abc")
    await told.until(2)
    assert "a bug" in caplog.text
    await looking.close()


async def test_what_fails_for_a_reason_that_may_pass_is_tried_again_until_it_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AGAIN", 0.01)
    path, told = tmp_path / "config.toml", Told()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    looking.open()
    await told.looked(2)
    told.passing = 3
    path.write_text("ab")
    await told.until(4)
    await told.looked(20)
    assert told.times == 4
    await looking.close()


async def test_it_is_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "AGAIN", 0.01)
    monkeypatch.setattr(watch, "_AGAIN_FOR", 0.2)
    path, told = tmp_path / "config.toml", Told()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    looking.open()
    await told.looked(2)
    told.passing = 1000
    path.write_text("ab")
    async with asyncio.timeout(PATIENCE):
        while "not tried again before a file changes" not in caplog.text:  # noqa: ASYNC110 - logs tell nobody
            await asyncio.sleep(0.001)
    times = told.times
    assert times <= 6  # the waits are doubled
    await told.looked(20)
    assert told.times == times
    path.write_text("abc")
    await told.until(times + 1)
    await looking.close()


async def test_a_new_change_is_tried_again_as_soon_as_the_first_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "AGAIN", 0.01)
    path, told = tmp_path / "config.toml", Told()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    looking.open()
    await told.looked(2)
    for number in (1, 2):
        told.passing = 3
        path.write_text("a" * (number + 1))
        await told.until(4 * number)
    waits = [each.args for each in caplog.records if "tried again in" in each.msg]
    assert waits == [(0.01,), (0.02,), (0.04,)] * 2
    await looking.close()


async def test_it_is_not_tried_again_while_a_file_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AGAIN", 0.001)
    path = tmp_path / "config.toml"

    class Growing(Told):
        grows = False

        async def reload(self) -> bool:
            self.grows = True
            return await super().reload()

        def look(self, paths: Iterable[Path]) -> list[str]:
            if self.grows:
                with path.open("a") as file:
                    file.write("a")
            return super().look(paths)

    told = Growing()
    path.write_text("a")
    looking = Watch(told.looking_at(path), told.reload)
    looking.open()
    await told.looked(2)
    told.passing = 1
    path.write_text("ab")
    await told.until(1)
    await told.looked(10)
    assert told.times == 1
    told.grows = False
    await told.until(2)
    await looking.close()
