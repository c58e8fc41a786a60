"""A file that is read again."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from proxy.config.config_file import ConfigFile


def test_a_file_tells_of_the_configuration_that_it_holds_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[[upstreams]]\nname = "api"\nservers = ["http://a"]\n')
    file = ConfigFile(str(path), ["retry.attempts=2"])
    config, _ = file()
    assert config is not None
    origins = file.origins(config)
    assert origins is not None
    assert origins.of(("routes", 0, "retry", "attempts"), ("retry", "attempts")) == (
        "--set [retry]",
        "2",
    )
    path.write_text(path.read_text().replace("http://a", "http://b"))
    assert file.origins(config) is None
    path.unlink()
    assert file.origins(config) is None


def test_a_device_is_a_problem_at_the_start_already() -> None:
    """It was read without end."""
    config, [problem] = ConfigFile("/dev/zero")()
    assert config is None
    assert str(problem) == "/dev/zero:1: file: cannot be read: it is no regular file"


def test_a_pipe_without_an_end_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.core.pipes._MOST", 1000)
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            path.write_bytes(b"# a comment\n" * 100_000)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    [problem] = ConfigFile(str(path))()[1]
    assert str(problem).endswith("cannot be read: more than 1000 bytes have come by this pipe")
    writer.join()


def test_a_pipe_is_read_at_the_start_and_refused_later(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = b'[[upstreams]]\nname = "api"\nservers = ["http://a"]\n'
    threading.Thread(target=path.write_bytes, args=(text,), daemon=True).start()
    file = ConfigFile(str(path))
    config, problems = file()
    assert config is not None
    assert problems == []
    config, [problem] = file()
    assert config is None
    assert str(problem) == f"{path}:1: file: cannot be read: it is no regular file"
