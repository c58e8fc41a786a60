"""What is said where the extra of ``[tracing]`` is not installed."""

import sys
from pathlib import Path

import pytest

from proxy.config.load import check
from proxy.telemetry.missing_packages import MISSING, lacking
from proxy.telemetry.options import TracingOptions

TRACED = """
[tracing]
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:1"]
[[routes]]
path = "/"
upstream = "api"
"""


def test_nothing_is_lacking_where_it_is_here_or_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not lacking(TracingOptions())
    monkeypatch.setitem(sys.modules, "proxy.telemetry.otlp", None)
    assert not lacking(None)


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "proxy.telemetry.otlp", None)
    assert lacking(TracingOptions()) == MISSING
    path = tmp_path / "config.toml"
    path.write_text(TRACED)
    (found,) = check(path, {})
    assert str(found) == f"{path}:2: tracing: {MISSING}"
