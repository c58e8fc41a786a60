"""A file that fails, and is tried again."""

import sqlite3
from pathlib import Path

import pytest

from proxy.core.stored import StoreFailed
from proxy.store import database
from proxy.store import file as file_module
from proxy.store.database import Database
from proxy.store.file import REST, File


async def test_a_file_that_could_not_be_used_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(file_module, "monotonic", lambda: now)
    file = File(tmp_path / "later" / "a.db")
    with pytest.raises(StoreFailed):
        await file.read(lambda database: database.totals.difference())
    (tmp_path / "later").mkdir()
    assert await file.change(lambda _: "done") is None
    now += REST
    assert await file.change(lambda _: "done") == "done"
    file.close()


async def test_one_line_says_that_it_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = File(tmp_path / "none" / "a.db")
    for _ in range(5):
        assert await file.change(lambda _: "done") is None
    assert len(caplog.records) == 1
    assert file.failures == 5
    file.close()


async def test_not_every_change_waits_for_a_lock_that_another_process_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(file_module, "monotonic", lambda: now)
    monkeypatch.setattr(database, "BUSY", 0.01)
    file = File(tmp_path / "a.db")
    assert await file.change(lambda db: db.delete_all(b"k")) == 0
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tried = []

    def change(db: Database) -> int:
        tried.append(now)
        return db.delete_all(b"k")

    for _ in range(5):
        assert await file.change(change) is None
    assert len(tried) == 1
    assert await file.read(lambda db: db.find(b"k")) == []
    other.close()
    now += 1.0
    assert await file.change(change) == 0
    file.close()
