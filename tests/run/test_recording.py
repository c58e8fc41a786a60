"""The commands ``record`` and ``replay``: what they refuse, and what they take from a folder."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

from proxy.config.model import Config
from proxy.core.recording import Question
from proxy.core.recording_mode import RecordingMode
from proxy.middleware.recording.asking import question_of
from proxy.middleware.recording.scrubbing import Scrubber
from proxy.run import recording, serve
from tests.support.loop import post

Served: TypeAlias = list[tuple[Config, RecordingMode]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """What would be served."""
    given = []

    def run(config: Config, *_: Any, recording_mode: RecordingMode) -> int:
        given.append((config, recording_mode))
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


OLD = {
    "number": ("/a", '{"password":12345678,"x":1}', '{"password":87654321,"x":1}'),
    "list": ("/a", '{"api_key":["k1","k2"]}', '{"api_key":["k3"]}'),
    "text": ("/a", '{"x":"{\\"password\\":[\\"a\\"]}"}', '{"x":"{\\"password\\":[\\"b\\"]}"}'),
    "address": ("/a", '{"next":"/b?token=abc&y=1"}', '{"next":"/b?token=def&y=1"}'),
    "target": ("/a?X-Mine=1", '{"y":1}', '{"y":1}'),
}
"""What versions with fewer rules have left: a target and a body; and the body that is asked."""


def old_folder(folder: Path) -> None:
    (folder / "recording.toml").write_text('format = 1\nservers = []\nredact = ["x-mine"]\n')
    for name, (target, body, _) in OLD.items():
        (folder / f"POST-a-{name}-1.request.json").write_text(body)
        (folder / f"POST-a-{name}-1.toml").write_text(
            f'[request]\nmethod = "POST"\ntarget = "{target}"\n'
            f'body = "POST-a-{name}-1.request.json"\n'
            'fields = [["Content-Type", "application/json"]]\n'
            f'[reply]\nstatus = 200\nreason = "{name}"\nfields = []\n'
        )


def asked(name: str) -> Question:
    target, _, body = OLD[name]
    fields = [(b"Content-Type", b"application/json")]
    exchange = post(target.replace("=1", "=2"), body.encode(), fields)
    return question_of(exchange, body.encode(), Scrubber(["x-mine"]))


@pytest.mark.parametrize("name", OLD)
def test_a_folder_of_a_version_that_hid_less_answers_what_it_did(
    tmp_path: Path, served: Served, name: str
) -> None:
    old_folder(tmp_path)
    assert replay(tmp_path) == 7
    kept = served[-1][1].recording
    assert kept.answer(asked(name).key, 0).reason == name.encode()
    assert not {b"12345678", b"k1", b"abc"} & {
        word for each in kept.questions() for word in re.split(rb"\W", each.body)
    }


def test_what_is_recorded_again_takes_the_place_of_what_was_hidden_less(
    tmp_path: Path, served: Served
) -> None:
    old_folder(tmp_path)
    assert replay(tmp_path) == record(tmp_path) == 7
    (_, before), (_, now) = served
    question = asked("number")
    now.recording.add(question, replace(before.recording.answer(question.key, 0), reason=b"new"))
    assert replay(tmp_path) == 7
    recording = served[-1][1].recording
    assert recording.count(question.key) == 1
    assert recording.answer(question.key, 0).reason == b"new"
    assert not [*tmp_path.glob("POST-a-number-*")]
