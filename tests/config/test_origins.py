"""Where the values of a configuration were written."""

from pathlib import Path

import pytest

from proxy.config.origins import Origins

FILE = """timeouts = false
[retry]
attempts = 4
spool = false
[hedge]
delay = "1s"
[[routes]]
path = "/a"
retry.on = ["503"]
timeouts.connect = "1s"
[[routes]]
retry = false
hedge = false
"""


@pytest.mark.parametrize(
    ("route", "option", "sets", "expected"),
    [
        (0, "path", [], ("a.toml:8 [routes[0]]", "/a")),
        (1, "path", [], ("default", None)),
        (0, "retry.on", [], ("a.toml:9 [routes[0].retry]", ["503"])),
        (0, "retry.attempts", [], ("a.toml:3 [retry]", 4)),
        (0, "retry.spool", [], ("a.toml:4 [retry]", False)),
        (0, "retry.max_body", [], ("default", None)),
        # what is switched off
        (1, "retry", [], ("a.toml:12 [routes[1]]", False)),
        (1, "timeouts.connect", [], ("a.toml:1", False)),
        (0, "timeouts.connect", [], ("a.toml:10 [routes[0].timeouts]", "1s")),
        (0, "timeouts.idle", [], ("default", None)),
        (1, "hedge.delay", [], ("a.toml:13 [routes[1]]", False)),
        (0, "hedge.delay", [], ("a.toml:6 [hedge]", "1s")),
        # what the command line puts over the file
        (0, "retry.attempts", ["retry.attempts=5"], ("--set [retry]", "5")),
        (0, "retry.attempts", ["retry={attempts=5}"], ("--set [retry]", 5)),
        (0, "retry.spool", ["retry={attempts=5}"], ("default", None)),
        (0, "retry.spool", ["retry.attempts=5"], ("a.toml:4 [retry]", False)),
        (0, "path", ["routes[0].path=/b"], ("--set [routes[0]]", "/b")),
        (0, "methods", ['routes[0].methods=["GET"]'], ("--set [routes[0]]", ["GET"])),
        (1, "path", ["routes[0].path=/b"], ("default", None)),
    ],
)
def test_a_value_comes_from_where_it_was_written_last(
    tmp_path: Path, route: int, option: str, sets: list[str], expected: tuple[str, object]
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(FILE, encoding="utf-8-sig")
    top = tuple(option.split("."))
    assert Origins(str(file), sets).of(("routes", route, *top), top) == expected


@pytest.mark.parametrize(
    ("number", "sets", "line"),
    [
        (0, [], "a.toml:7"),
        (0, ["routes[0].path=/b"], "a.toml:7"),
        (2, ["routes[2].upstream=a"], "--set"),
        (2, [], ""),
    ],
)
def test_a_route_stands_where_the_file_has_it(
    tmp_path: Path, number: int, sets: list[str], line: str
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(FILE, encoding="utf-8")
    assert Origins(str(file), sets).line(("routes", number)) == line
