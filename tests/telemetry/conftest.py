"""A busy machine is no stuck reader."""

import pytest

from proxy.telemetry import writer


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for as long as it takes; tests of a reader that is stuck say otherwise."""
    monkeypatch.setattr(writer, "PATIENCE", 60.0)
