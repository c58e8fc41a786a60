"""The commands ``record`` and ``replay``, as far as they refuse to begin."""

from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

from proxy.config.model import Config
from proxy.core.deck import Deck
from proxy.run import recording, serve

Served: TypeAlias = list[tuple[Config, Deck]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """What would be served."""
    given = []

    def run(config: Config, *_: Any, deck: Deck) -> int:
        given.append((config, deck))
        return 7

    monkeypatch.setattr(serve, "run", run)
    return given


def record(folder: Path, *sets: str, server: str = "http://127.0.0.1:1") -> int:
    return recording.record([server], str(folder), ["127.0.0.1:0"], sets, compressed=True)


def replay(folder: Path, *sets: str) -> int:
    return recording.replay(str(folder), None, sets, paced=True)


def test_what_is_recorded_can_be_replayed(tmp_path: Path, served: Served) -> None:
    assert record(tmp_path, 'log.redact=["mine"]') == 7
    assert replay(tmp_path) == 7
    (first, recorded), (second, replayed) = served
    assert first.server.listen == "127.0.0.1:0"
    assert (recorded.replays, recorded.compressed) == (False, True)
    assert (replayed.replays, replayed.paced, replayed.recording.redact) == (True, True, ("mine",))
    assert second.routes[0].errors is not None
    assert second.routes[0].errors.details


def test_options_of_the_command_line_win(tmp_path: Path, served: Served) -> None:
    record(tmp_path)
    replay(tmp_path, "errors.details=false", "errors.format=text")
    errors = served[-1][0].routes[0].errors
    assert errors is not None
    assert (errors.details, errors.format) == (False, "text")


class Wrong(NamedTuple):
    """A command line, and what is said of it."""

    server: str
    option: str
    said: str


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("gopher://x", "", "--upstream"),
        Wrong("http://a", "retry.atempts=1", "--set retry.atempts: unknown option"),
        Wrong("http://a", "server.workers=2", "--set server.workers: one process records"),
        Wrong("http://a", "server.workers=auto", "--set server.workers: one process records"),
    ],
)
def test_options_that_are_wrong_are_told_and_nothing_is_written(
    tmp_path: Path,
    served: Served,
    capsys: pytest.CaptureFixture[str],
    wrong: Wrong,
) -> None:
    assert record(tmp_path / "new", *filter(None, [wrong.option]), server=wrong.server) == 2
    assert wrong.said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert not served


def test_a_folder_that_cannot_be_used_is_told(
    tmp_path: Path, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(tmp_path) == 2
    assert "there is no recording" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert record(tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not served
