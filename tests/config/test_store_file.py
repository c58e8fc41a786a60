"""The file of ``[store]``: what ``check`` says of it, and that ``run`` goes on."""

import sqlite3
from pathlib import Path

from proxy.config.load import check, load

UPSTREAM = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9"]\n'


def written(folder: Path, store: Path) -> Path:
    path = folder / "config.toml"
    path.write_text(f'[cache]\n[store]\nurl = "sqlite:{store}"\n{UPSTREAM}', encoding="utf-8")
    return path


def test_a_file_of_another_program_is_a_problem_that_does_not_keep_the_proxy_from_running(
    tmp_path: Path,
) -> None:
    store = tmp_path / "other.db"
    db = sqlite3.connect(store)
    db.execute("CREATE TABLE customers (name)")
    db.close()
    before = store.read_bytes()
    path = written(tmp_path, store)
    [problem] = check(path)
    assert str(problem) == (
        f"{path}:3: store.url: {str(store)!r} is not a store of sidecar-proxy, and is left alone: "
        "expected a file of its own, or none"
    )
    assert not problem.warning
    assert load(path).store is not None
    assert store.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml", "other.db"]


def test_a_file_that_is_not_there_yet_is_none_and_is_not_made(tmp_path: Path) -> None:
    assert check(written(tmp_path, tmp_path / "store.db")) == []
    assert not (tmp_path / "store.db").exists()
