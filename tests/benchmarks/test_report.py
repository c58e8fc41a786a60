"""Tables of what was measured."""

import math
from dataclasses import replace

import pytest

from benchmarks.load.__main__ import arguments, effort
from benchmarks.load.peer import DIRECT, OURS_ARMED, OURS_LOGGED, PEERS, UNLOGGED
from benchmarks.load.report import markdown, median, table
from benchmarks.load.scenario import QUICK, SCENARIOS, Column, Effort, added

SMALL = {
    "proxy": [{"rate": 300.0, "cpu": 3.0, "core": 1.0, "p99": 1.0, "failed": 0}] * 3,
    "aiohttp": [
        {"rate": rate, "cpu": 9.0, "core": 0.5, "p99": 2.0, "failed": 1} for rate in (90, 100, 900)
    ],
}


def test_a_table_has_medians_spreads_and_ratios() -> None:
    lines = markdown({"small": SMALL}).splitlines()
    assert lines[-2] == "| sidecar-proxy | 3.0 | 3.0 to 3.0 | 300 | 1.00 | 1.0 | 0 | 3.00 |"
    assert lines[-1] == "| plain aiohttp | 9.0 | 9.0 to 9.0 | 100 | 0.50 | 2.0 | 1 | 1.00 |"


def test_more_is_better_where_nothing_else_is_said() -> None:
    runs = {"proxy": [{"rate": 300.0}], "caddy": [{"rate": 200.0}]}
    scenario = replace(SCENARIOS["down-64k"], columns=(Column("rate", "MB/s"),))
    assert table(scenario, runs).splitlines()[-2].endswith("| 1.50 |")


def test_nobody_is_compared_with_a_peer_that_is_missing() -> None:
    assert "to Caddy" not in markdown({"small": SMALL})


def test_a_figure_that_could_not_be_taken_is_left_blank() -> None:
    assert median({"proxy": [{"p50": math.nan}]}, "proxy", "p50") is None
    assert median({"proxy": [{"p50": 1.0}]}, "proxy", "p99") is None


def test_what_a_proxy_adds_is_taken_from_the_direct_call_of_its_round() -> None:
    runs = {
        "proxy": [
            {"p50": 0.5, "p99": 1.0, "p99.9": 3.0},
            {"p50": 0.7, "p99": 2.0, "p99.9": 3.0},
        ],
        DIRECT: [
            {"p50": 0.2, "p99": 0.4, "p99.9": 0.5},
            {"p50": 0.1, "p99": 0.2, "p99.9": 0.5},
        ],
    }
    added(SCENARIOS["latency"], runs)
    assert [round(run["added p50"], 3) for run in runs["proxy"]] == [0.3, 0.6]
    assert [run["added p99.9"] for run in runs["proxy"]] == [2.5, 2.5]
    assert "added p50" not in runs[DIRECT][0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Effort()),
        (["--quick"], QUICK),
        (["--rounds", "7", "--seconds", "2"], Effort(rounds=7, seconds=2.0)),
    ],
)
def test_the_effort_is_what_was_asked_for(words: list[str], expected: Effort) -> None:
    assert effort(arguments(words)) == expected


@pytest.mark.parametrize("words", [["--only", "smal"], ["--peers", "proxy,squid"]])
def test_unknown_names_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(words)
    assert "unknown" in capsys.readouterr().err


def test_peers_stand_in_the_order_of_the_table_and_only_where_they_say_something() -> None:
    everybody = frozenset({*PEERS, DIRECT})
    assert SCENARIOS["small"].peers(everybody) == [
        name for name in [*PEERS, DIRECT] if name != OURS_ARMED
    ]
    assert OURS_LOGGED not in SCENARIOS["post"].peers(everybody)
    in_production = SCENARIOS["production"].peers(everybody)
    assert OURS_LOGGED in in_production
    assert not UNLOGGED.intersection(in_production)
    assert [
        name for name, scenario in SCENARIOS.items() if OURS_ARMED in scenario.peers(everybody)
    ] == ["production"]
    assert DIRECT not in SCENARIOS["start"].peers(everybody)
