"""The checks that tables bring with them."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from proxy import middleware
from proxy.config import tables
from proxy.config.load import check, load
from tests.config.test_crosscheck import ROUTE, UPSTREAM, problems

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9"]\n'
TWO = UPSTREAM + '[[upstreams]]\nname = "b"\nservers = ["http://b"]\n' + ROUTE + 'fallback = ["b"]'


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[queue]" + UPSTREAM, "queue: warning: nothing ever waits here"),
        (UPSTREAM + "[upstreams.queue]", "upstreams[0].queue: warning: nothing ever waits here"),
        (
            "[concurrency]\n[queue]\npriority_header = 'a b'" + UPSTREAM,
            "queue.priority_header: ",
        ),
        (
            "[concurrency]\nmax_requests = 3\nmin = 4\nadaptive = 'gradient'" + UPSTREAM,
            "concurrency.min: min (4) is more than max_requests (3)",
        ),
        ("[deadline]\naccept = []" + UPSTREAM, "deadline.accept: expected at least one"),
        ("[deadline]\naccept = ['a', 'b c']" + UPSTREAM, "deadline.accept[1]: "),
        ("[deadline]\nforward = 'Host'" + UPSTREAM, "deadline.forward: "),
        (
            "[deadline]\nmax = '1s'\nreserve = '2s'" + UPSTREAM,
            "deadline.reserve: reserve (2s) leaves nothing of max (1s)",
        ),
        (
            "[timeouts]\ntotal = '1s'\n[deadline]\nreserve = '2s'" + TWO,
            "deadline.reserve: [deadline] reserve (2s) leaves nothing of total (1s)",
        ),
        (
            "[deadline]\nreserve = '1s'" + TWO + "\ntimeouts.total = '1s'",
            "routes[0].timeouts.total: [deadline] reserve (1s) leaves nothing of total (1s)",
        ),
        (
            "[timeouts]\ntotal = '1s'" + UPSTREAM + ROUTE + "deadline.reserve = '2s'",
            "routes[0].deadline.reserve: [deadline] reserve (2s) leaves nothing of total (1s)",
        ),
        (
            "[deadline]" + UPSTREAM + ROUTE + "[routes.deadline]\naccept = []",
            "routes[0].deadline.accept: expected at least one",
        ),
        ("[rate_limit]\nperiod = '0'" + UPSTREAM, "rate_limit.period: expected a time above 0"),
        (
            "[circuit_breaker]\nfailure_ratio = 0.5\ninterval = '0'" + UPSTREAM,
            "circuit_breaker.interval: expected a time above 0",
        ),
        (
            "[circuit_breaker]\nbase_ejection_time = '0'" + UPSTREAM,
            "circuit_breaker.base_ejection_time: expected a time above 0",
        ),
        (
            "[rate_limit]\nburst = 5" + UPSTREAM,
            "rate_limit.burst: burst needs a rate: expected average",
        ),
        ("[rate_limit]\nlearn = false" + UPSTREAM, "rate_limit: nothing is limited"),
        (
            "[rate_limit]\naverage = 1e-300" + UPSTREAM,
            "rate_limit.average: expected at least one request in a year, or 0 for no limit",
        ),
        (
            "[rate_limit]\naverage = 1\nperiod = '8800h'" + UPSTREAM,
            "rate_limit.average: expected at least one request in a year",
        ),
        (
            UPSTREAM + ROUTE + "[routes.rate_limit]\nburst = 5",
            "routes[0].rate_limit.burst: burst needs a rate",
        ),
        ("[queue]\nsize = 0" + UPSTREAM, "queue.size: expected a whole number of at least 1"),
        (
            "[cache]\nmax_size = '4MiB'\nmax_object = '5MiB'" + UPSTREAM,
            "cache.max_object: larger than max_size",
        ),
        ("[queue]\nkey = 'user'\n[concurrency]" + UPSTREAM, "queue.key: expected one of path, ro"),
    ],
)
def test_a_mistake_is_reported_once(tmp_path: Path, text: str, start: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.startswith(start)


@pytest.mark.parametrize(
    "text",
    [
        "[concurrency]" + UPSTREAM,
        "[circuit_breaker]\nbase_ejection_time = '9s'\nmax_ejection_time = '0'" + UPSTREAM + ROUTE,
        "[concurrency]\nmax_requests = 2" + UPSTREAM,
        "[deadline]\nmax = '20ms'" + UPSTREAM,
        "[timeouts]\ntotal = '50ms'\n[deadline]" + UPSTREAM,
        "[timeouts]\ntotal = '1s'\n[deadline]\nreserve = '0.99s'" + UPSTREAM,
        "[timeouts]\ntotal = '1s'\n[deadline]\nforward = ''" + UPSTREAM,
        "[deadline]\nreserve = '2s'" + UPSTREAM + ROUTE + "timeouts = false",
        "[concurrency]\n[queue]\nkey = 'header:X-Tenant'\npriority_header = 'Priority'" + UPSTREAM,
        "[concurrency]\n[queue]" + UPSTREAM + "[upstreams.queue]\norder = 'lifo'",
        "[deadline]" + UPSTREAM + ROUTE + "deadline = false",
        "[rate_limit]" + UPSTREAM,
        "[rate_limit]\naverage = 5\nburst = 9\nlearn = false" + UPSTREAM,
        "[rate_limit]\naverage = 1\nperiod = '8784h'" + UPSTREAM,
        "[rate_limit]\naverage = 0.001" + UPSTREAM,
        "[deadline]\nmax = '0'\nforward = ''" + UPSTREAM,
    ],
)
def test_what_is_right_is_not_reported(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


def test_what_all_upstreams_inherit_is_reported_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "[queue]\n" + TWO)) == 1


def test_an_object_may_be_longer_by_default_than_a_small_cache_takes(tmp_path: Path) -> None:
    assert problems(tmp_path, "[cache]\nmax_size = '4MiB'" + UPSTREAM) == []


@pytest.mark.parametrize(
    ("methods", "cache", "warned"),
    [
        ("QUERY", "", False),
        ("POST", "post = true", False),
        ("POST", "", True),
        ("PUT", "post = true", True),
    ],
)
def test_what_a_cache_stores_is_not_warned_of(
    tmp_path: Path, methods: str, cache: str, warned: bool
) -> None:
    text = UPSTREAM + ROUTE + f'methods = ["{methods}"]\n[routes.cache]\n{cache}\n'
    assert bool(problems(tmp_path, text)) is warned


def with_store(folder: Path, store: Path) -> Path:
    path = folder / "config.toml"
    path.write_text(f'[cache]\n[store]\nurl = "sqlite:{store}"\n{API}', encoding="utf-8")
    return path


def test_a_file_of_another_program_is_a_problem_that_does_not_keep_the_proxy_from_running(
    tmp_path: Path,
) -> None:
    store = tmp_path / "other.db"
    db = sqlite3.connect(store)
    db.execute("CREATE TABLE customers (name)")
    db.close()
    before = store.read_bytes()
    path = with_store(tmp_path, store)
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
    assert check(with_store(tmp_path, tmp_path / "store.db")) == []
    assert not (tmp_path / "store.db").exists()


def test_the_checks_of_every_middleware_are_called() -> None:
    package = Path(middleware.__file__).parent
    checking = {
        ".".join(("proxy", "middleware", *path.relative_to(package).with_suffix("").parts))
        for path in package.rglob("*.py")
        if "\ndef problems(" in path.read_text(encoding="utf-8")
    }
    called: tuple[Any, ...] = (*tables._ROUTE, *tables._UPSTREAM)
    assert checking == {each.__name__ for each in called}
