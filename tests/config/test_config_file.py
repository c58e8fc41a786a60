"""A file that is read again."""

import os
import threading
from pathlib import Path

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
