"""The tables that say at once what was reached."""

from benchmarks.load.glance import AIMS, aims, glance
from benchmarks.load.peer import PEERS
from benchmarks.load.scenario import SCENARIOS

RESULTS = {
    "small": {
        "proxy": [{"cpu": 9.0}],
        "proxy-log": [{"cpu": 10.0}, {"cpu": 20.0}, {"cpu": 11.0}],
        "nginx-log": [{"cpu": 5.5}],
        "caddy-log": [{"cpu": 33.0}],
        "direct": [{"cpu": 1.0}],
    },
    "down-64k": {},
    "down-10m": {"proxy": [{"cpu": 0.5}], "nginx": [{"cpu": 1.0}]},
}


def test_each_aim_stands_behind_what_was_reached() -> None:
    lines = aims(RESULTS).splitlines()
    assert lines[2] == "| | to Caddy | to plain aiohttp | to nginx |"
    assert lines[4:] == [
        "| small GET, the same again, access logs on | 3.00 (2.5) |  | 0.50 (0.33) |",
        "| 10 MiB down |  |  | 2.00 (0.95) |",
    ]


def test_without_others_there_is_no_table_of_aims() -> None:
    assert aims({"small": {"proxy": [{"cpu": 1.0}]}, "start": {}}) == ""


def test_a_glance_has_a_line_for_each_peer_and_a_column_for_each_table() -> None:
    lines = glance(RESULTS).splitlines()
    assert lines[2] == "| | small: CPU µs each | down-10m: CPU ms per MB |"
    assert lines[4:] == [
        "| sidecar-proxy | 9.0 | 0.50 |",
        "| sidecar-proxy, access log on | 11.0 |  |",
        "| nginx |  | 1.00 |",
        "| nginx, access log on | 5.5 |  |",
        "| Caddy, access log on | 33.0 |  |",
        "| direct, no proxy | 1.0 |  |",
    ]


def test_aims_are_for_what_is_measured() -> None:
    for aim in AIMS:
        measured = SCENARIOS[aim.scenario].peers(frozenset(PEERS))
        assert {aim.ours, *aim.others} <= {*measured}
