"""What is measured is not what others have left behind, nor the length of a queue."""

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.load import tool
from benchmarks.load.bench import busy_of
from benchmarks.load.scenario import ENOUGH, SCENARIOS, SHARE, Effort


class _Program:
    """Stands for a process; ``uses``: what it has used each time it is asked, in seconds."""

    def __init__(self, *uses: float, port: int = 0) -> None:
        self._uses = iter(uses)
        self.port = port

    def cpu(self) -> float:
        return next(self._uses)


def test_who_still_works_is_named() -> None:
    running: Any = {
        "idle": _Program(3.0, 3.0),
        "housekeeping": _Program(1.0, 1.01),
        "busy": _Program(5.0, 5.06),
    }
    assert busy_of(running, 0.0) == ["busy"]


def test_whoever_cannot_serve_the_rate_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    first, slow = 10_000, 10_000 * SHARE
    served = {1: first, 2: slow / ENOUGH, 3: slow / ENOUGH - 1}
    monkeypatch.setattr(
        tool,
        "wrk",
        lambda target, *_: {"requests": served[target.port], "seconds": 1.0},
    )
    asked: list[tuple[int, float]] = []

    def client(_: str, port: int, rate: float, seconds: float) -> dict[str, float]:
        asked.append((port, rate))
        return {"p50": seconds}

    monkeypatch.setattr(tool, "client", client)
    measure = deepcopy(SCENARIOS["latency"].measure)
    for port in (1, 2):
        target: Any = SimpleNamespace(port=port)
        assert measure(target, Effort())["rate"] == first * SHARE
    target = SimpleNamespace(port=3)
    with pytest.raises(tool.NotMeasured, match="serves 3,749 requests/s, and is asked 3,000"):
        measure(target, Effort())
    assert asked == [(1, 3000.0), (2, 3000.0)]
