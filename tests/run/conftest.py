"""What several tests of this folder use."""

from pathlib import Path

import pytest

from proxy.cli import main
from tests.support.explained import Told


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """What is printed of a request, after the configuration was found good."""

    def tell(text: str, method: str, url: str, *more: str) -> str:
        file = tmp_path / "a.toml"
        file.write_text(text, encoding="utf-8")
        assert main(["explain", str(file), method, url, *more]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return tell
