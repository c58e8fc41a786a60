"""What is wrong with `[store]`."""

from pathlib import Path

import pytest

from proxy.core import cache_options
from proxy.core.cache_options import StoreOptions, store_problems


def told(url: str, *, used: bool = True) -> list[str]:
    return [each.message for each in store_problems(StoreOptions(url=url), used=used)]


def test_a_store_that_can_be_used(tmp_path: Path) -> None:
    assert told("memory:") == told("redis://127.0.0.1/0") == []
    assert told(f"sqlite:{tmp_path}/a.db") == told("sqlite:a.db") == []
    assert list(store_problems(None, used=False)) == []


def test_a_file_wants_its_directory(tmp_path: Path) -> None:
    assert told(f"sqlite:{tmp_path}/none/a.db") == [
        f"warning: the directory of {tmp_path}/none/a.db is not there"
    ]


def test_redis_wants_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_options, "find_spec", lambda _: None)
    assert told("redis://127.0.0.1/0") == [
        "Redis wants redis-py: pip install 'sidecar-proxy[redis]'"
    ]


def test_a_store_that_nobody_uses_is_warned_of() -> None:
    assert told("memory:", used=False) == ["warning: no route has [cache], so nothing is stored"]
