"""What is measured armed is armed."""

from pathlib import Path

import pytest

from benchmarks.armed import FEATURES, TOGETHER
from benchmarks.load import configs
from proxy.config.load import load
from tests.support.proxy import parsed

REST = """
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:9"]
{upstream}
[[routes]]
upstream = "api"
"""


@pytest.mark.parametrize(
    ("tables", "upstream"),
    [pytest.param(*parts, id=name) for name, parts in {**FEATURES, "all": TOGETHER}.items()],
)
def test_each_feature_and_all_can_be_configured(tables: str, upstream: str) -> None:
    assert parsed(tables + REST.format(upstream=upstream)).upstreams


def test_the_armed_proxy_has_three_servers_a_log_and_everything_on(tmp_path: Path) -> None:
    config = load(configs.armed(tmp_path, 8080, "127.0.0.1:9000"))
    assert config.log.access
    (upstream,) = config.upstreams
    assert list(upstream.servers) == [f"http://127.0.0.{number}:9000" for number in (1, 2, 3)]
    assert upstream.concurrency is not None
    assert upstream.concurrency.adaptive
    assert upstream.queue is not None
    assert upstream.load_balance is not None
    assert upstream.load_balance.policy == "peak_ewma"
    (route,) = config.routes
    for table in ("circuit_breaker", "retry", "hedge", "deadline", "rate_limit"):
        assert getattr(route, table), table
    assert float(route.timeouts.total) == 30
    assert config.admin is not None
