"""What is wrong with `[store]`."""

import re
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


@pytest.mark.parametrize("name", [":memory:", "{}"])
def test_a_file_that_would_hold_nothing_is_warned_of(name: str, tmp_path: Path) -> None:
    [message] = told(f"sqlite:{name.format(tmp_path)}")
    assert message.startswith("warning: ")
    for meant in re.findall('did you mean "(.*)"', message):
        assert re.search(cache_options.STORE, meant), "it can be written"
        assert told(meant) == []


def test_redis_wants_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_options, "find_spec", lambda _: None)
    assert told("redis://127.0.0.1/0") == ["Redis needs redis-py: pip install 'redis>=6'"]


def test_a_store_that_nobody_uses_is_warned_of() -> None:
    assert told("memory:", used=False) == ["warning: no route has [cache], so nothing is stored"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://127.0.0.1/",
        "rediss://user:pass@[::1]:6380/15",
        "redis://h?db=3",
        "redis://h/3?client_name=sidecar&protocol=3",
        "rediss://h?ssl_cert_reqs=none&ssl_ca_certs=/run/ca.pem",
        "unix:///run/redis.sock?db=1",
        "redis://h?health_check_interval=30&max_connections=20&retry_on_timeout=true",
        "redis://h?socket_timeout=2&socket_connect_timeout=1.5&socket_keepalive=true",
        "redis://h?username=user&password=pass",
        "rediss://h?ssl_ciphers=HIGH&ssl_ca_data=x",
    ],
)
def test_an_address_of_redis_that_can_be_used(url: str) -> None:
    assert told(url) == []


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis://127.0.0.1:99999/0", "expected a port from 1 to 65535"),
        ("redis://127.0.0.1:0/0", "expected a port from 1 to 65535"),
        ("redis://127.0.0.1:port/0", "expected a port from 1 to 65535"),
        ("redis://127.0.0.1/zero", "expected the number of a database"),
        ("redis://127.0.0.1/-1", "expected the number of a database"),
        ("redis://127.0.0.1?db=", "expected the number of a database"),
        ("unix:///run/redis.sock?db=one", "expected the number of a database"),
        ("redis://[::1", "not a URL"),
        ("redis://h?ssl=true", "'ssl' in the query is not taken here: TLS is rediss://"),
        ("redis://h?decode_responses=true", "'decode_responses' in the query is not taken here"),
        (
            "redis://h?foo=1",
            "'foo' in the query is not taken here: expected db, max_connections or ssl_ca_certs",
        ),
        ("redis://h?protocol=x", "'protocol' in the query has a wrong value"),
        ("redis://h?ssl_cert_reqs=none", "'ssl_cert_reqs' in the query has a wrong value"),
        ("rediss://h?ssl_cert_reqs=what", "'ssl_cert_reqs' in the query has a wrong value"),
    ],
)
def test_an_address_of_redis_that_cannot_be_used(url: str, fault: str) -> None:
    [message] = told(url)
    assert message.startswith(fault)


def test_no_part_of_a_password_is_repeated() -> None:
    assert "ss" not in told("redis://:pa/ss@127.0.0.1:6379/0")[0].partition(", as in")[0]
