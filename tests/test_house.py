"""The rules that no linter knows."""

from pathlib import Path

import pytest

from tools.house import clocks

ASKS = [
    "import time\n",
    "from time import monotonic\n",
    "now = loop.time()\n",
    "now = self._loop.time()\n",
]


@pytest.mark.parametrize("line", ASKS)
@pytest.mark.parametrize("folder", ["proxy/policy", "proxy/middleware/hedge"])
def test_a_clock_that_was_not_handed_in_is_found(
    line: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir(parents=True)
    Path(folder, "part.py").write_text(f'"""A part."""\n{line}', encoding="utf-8")
    [problem] = clocks()
    assert problem.startswith(f"{folder}/part.py:2: ")


def test_a_clock_that_was_handed_in_may_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("proxy/policy").mkdir(parents=True)
    Path("proxy/policy/part.py").write_text("now = self._clock()\n", encoding="utf-8")
    assert clocks() == []
