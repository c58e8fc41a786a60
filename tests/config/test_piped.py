"""A pipe gives its bytes to one worker."""

import os
from pathlib import Path

import pytest

from proxy.config import cores
from proxy.config.load import check, load
from proxy.config.piped import piped
from proxy.core.findings import WARNING

FILE = """
[server]
workers = {workers}
[admin]
token_file = "{folder}/pipe"
[[upstreams]]
name = "a"
servers = ["http://127.0.0.1:1"]
[[upstreams]]
name = "b"
servers = ["http://127.0.0.1:1"]
[[upstreams.credentials]]
name = "x"
value_file = "{folder}/file"
[[upstreams.credentials]]
name = "y"
value_file = "{folder}/pipe"
[[routes]]
upstream = "a"
"""


@pytest.mark.parametrize(("workers", "allowed"), [("2", 8), ('"auto"', 8), ('"auto"', 1), ("1", 8)])
def test_check_says_of_a_pipe_what_the_start_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str, allowed: int
) -> None:
    monkeypatch.setattr(cores, "cores", lambda: allowed)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("secret")
    config = tmp_path / "p.toml"
    config.write_text(FILE.format(workers=workers, folder=tmp_path))
    problems = [each for each in check(config) if not each.message.startswith(WARNING)]
    if allowed == 1 or workers == "1":
        assert problems == []
        return
    (problem,) = problems
    assert problem.place == "upstreams[1].credentials[1].value_file"
    assert problem.message == (
        f"'{tmp_path}/pipe' is a pipe, which gives its bytes once: that is for [server] workers = 1"
    )
    # The start says so itself, with its own exit status.
    assert [each.message for each in piped(load(config))] == [problem.message]
