"""Every sample is a metric, or stands among those that are none with a reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.middleware.cache.cache import _COUNTED as COUNTED
from proxy.telemetry.metric_table import LEFT_OUT, METRICS, PREFIX, STATES, TIMES, Metric, Type

ROWS = [*METRICS, *STATES, *TIMES]
BY_ROUTE = ("requests", "attempts", "tunnels", "status", "error", "retry", "hedged")
"""What ``telemetry/counters`` counts as ``route_NAME``."""
MADE = {
    "proxy/telemetry/counters.py": {f"route_{name}" for name in BY_ROUTE},
    "proxy/middleware/cache/cache.py": {f"cache_{kind}" for kind in COUNTED},
    "proxy/middleware/coalesce/coalesce.py": {
        f"coalesce_{kind}" for kind in ("calls", "joined", "bypassed")
    },
    "proxy/middleware/hedge/hedge.py": {
        f"hedge_copies_{kind}" for kind in ("sent", "won", "over_budget")
    },
    "proxy/telemetry/histograms.py": set(),  # named by telemetry/traffic, see TIMES
}
"""Samples whose name is put together, by file."""


def named(path: Path) -> Iterator[tuple[str | None, int]]:
    """The samples that a module makes: their names, None where one is put together."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("gauge", "common_gauge", "counter", "info")
        ):
            name = node.args[0]
            yield (str(name.value) if isinstance(name, ast.Constant) else None), node.lineno


def all_samples() -> dict[str, str]:
    found = {}
    for path in sorted(Path("proxy").rglob("*.py")):
        if path == Path("proxy/core/samples.py"):
            continue
        for name, line in named(path):
            if name is None:
                assert str(path) in MADE, f"{path}:{line}: list in MADE what it is called"
            else:
                found[name] = f"{path}:{line}"
        found |= dict.fromkeys(MADE.get(str(path), ()), str(path))
    return found


def test_every_sample_is_a_metric_or_left_out_for_a_reason() -> None:
    known = {row.sample for row in (*METRICS, *STATES)} | LEFT_OUT.keys()
    samples = all_samples()
    assert len(samples) > 60
    missing = {name: place for name, place in samples.items() if name not in known}
    assert not missing, "proxy/telemetry/metric_table.py has no row for these"
    gone = known - samples.keys()
    assert not gone, "nothing gives these samples any more"


def test_no_sample_is_both() -> None:
    names = [row.sample for row in ROWS]
    assert len(set(names)) == len(names)
    assert not set(names) & LEFT_OUT.keys()
    assert len({row.full_name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.full_name)
def test_a_name_says_what_it_is(row: Metric) -> None:
    """As https://prometheus.io/docs/practices/naming says."""
    assert row.full_name.endswith("_total") == (row.type is Type.COUNTER)
    assert row.full_name.startswith((PREFIX, "process_"))
    assert row.full_name.lower() == row.full_name
    assert row.help.endswith(".")
    assert not row.source or len(row.source) == len(row.labels)
    if row.type is Type.HISTOGRAM:
        assert row.unit == "seconds"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.full_name)
def test_labels_are_few_and_known(row: Metric) -> None:
    """A label that a client or an upstream may fill in freely would make series without end."""
    own = {"method", "status", "error", "reason", "clock", "outcome", "state"}
    assert set(row.labels) <= {"route", "upstream", "endpoint", "credentials", "worker"} | own
