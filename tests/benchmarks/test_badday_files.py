"""What each proxy is told on a day, by an operator who has tuned all or nothing."""

from pathlib import Path

import pytest

from benchmarks.badday import files, peers
from benchmarks.badday.defaults import NOTHING_TUNED
from benchmarks.badday.peers import TITLES
from benchmarks.badday.profile import Tuning
from proxy.config.load import load
from proxy.config.model import Route
from proxy.middleware.hedge.options import HedgeOptions


def test_only_the_servers_are_written_where_nothing_is_tuned(tmp_path: Path) -> None:
    servers = ["127.0.0.1:1", "127.0.0.1:2"]
    assert load(files.proxy(NOTHING_TUNED, tmp_path, 8080, servers)).routes == (
        Route(upstream="api"),
    )
    hedged = load(files.proxy(NOTHING_TUNED, tmp_path, 8080, servers, "[hedge]")).routes
    assert hedged == (Route(upstream="api", hedge=HedgeOptions()),)
    for made in (
        files.nginx(NOTHING_TUNED, tmp_path, 8080, servers, 5000),
        files.haproxy(NOTHING_TUNED, tmp_path, 8080, servers),
        files.caddy(NOTHING_TUNED, tmp_path, 8080, servers),
    ):
        text = made.read_text()
        assert all(server in text for server in servers)
        assert not any(word in text for word in ("retry", "least", "max_fails", "lb_", "next_"))


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("tuning", Tuning)
def test_each_is_told_as_much_as_its_operator_has_written(
    name: str, tuning: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_found", str)
    peers.peer(name, tuning).command(tmp_path, 8080, "127.0.0.1:1,127.0.0.1:2")
    [made] = tmp_path.iterdir()
    text = made.read_text()
    clocks = ("300ms" in text, "800ms" in text)
    assert clocks == ((True, True) if tuning is Tuning.TUNED else (False, False))
    assert text.count("max_fails=0") == (2 if name == "nginx" and tuning is Tuning.TUNED else 0)
    hedged = name == "ours" and tuning is Tuning.HEDGE
    hedged = hedged or (name == "ours-hedge" and tuning is not Tuning.TUNED)
    assert ("[hedge]" in text) is hedged
