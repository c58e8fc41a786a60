"""Files of SQLite that cannot be used any more."""

from pathlib import Path

import pytest

from proxy.store.aside import KEPT, set_aside


def unusable(path: Path, moment: float) -> Path:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_text(f"{moment}{suffix}")
    return set_aside(path, moment)


def test_the_last_few_are_kept_with_what_belongs_to_them(tmp_path: Path) -> None:
    """A disk that is bad for a month would have been filled."""
    path = tmp_path / "store.db"
    others = {
        name: (tmp_path / name).write_text(name)
        for name in ("store.db.unusable-notes", "store2.db.unusable-1", "storeXdb.unusable-1")
    }
    moments = [9.0, 10.5, 10.7, 999.0, 1000.0, 1001.0]
    kept = [unusable(path, moment) for moment in moments][-KEPT:]
    assert [each.name for each in kept] == [f"store.db.unusable-{n}" for n in (999, 1000, 1001)]
    found = {each.name for each in tmp_path.iterdir()}
    assert found == {
        *others,
        *(each.name + suffix for each in kept for suffix in ("", "-wal", "-shm")),
    }
    assert (tmp_path / "store.db.unusable-1001-wal").read_text() == "1001.0-wal"


def test_one_of_the_same_second_gets_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    names = [unusable(path, 100.0).name for _ in range(2)]
    assert names == ["store.db.unusable-100", "store.db.unusable-101"]


def test_the_one_that_is_set_aside_stays_though_the_clock_was_set_back(tmp_path: Path) -> None:
    """A machine that boots without a clock: the log names a file that is not there."""
    path = tmp_path / "store.db"
    for moment in (1001.0, 1002.0, 1003.0):
        unusable(path, moment)
    assert unusable(path, 5.0).exists()
    assert len([*tmp_path.glob("*-wal")]) == KEPT


def test_what_lies_beside_a_file_may_be_gone_when_it_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last connection was closed at that moment; the file was then left for ten seconds."""
    paths = [tmp_path / f"a.db{suffix}" for suffix in ("", "-wal", "-shm")]
    for path in paths:
        path.write_bytes(b"x")

    def renamed(path: Path, target: Path) -> Path:
        if path == paths[2]:
            path.unlink()
        return path.replace(target)

    monkeypatch.setattr(Path, "rename", renamed)
    aside = set_aside(paths[0], 7.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [aside.name, f"{aside.name}-wal"]
