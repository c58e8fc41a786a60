"""What is too deep or too long has one line, at its place."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.limits import TOO_DEEP, TOO_LONG, is_deep, overlong
from proxy.config.load import ConfigError, check, from_tables, without_file

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
DEEP = [
    "a." * 5000 + "a = 1",
    '"a".' * 200 + "a = 1",
    "[retry]\non = " + "[" * 20_000 + "]" * 20_000,
    "[retry]\non = " + "[" * 200 + "]" * 200,
    "x = " + "{a=" * 3000 + "1" + "}" * 3000,
    "x = " + "{a.b.c=" * 60 + "1" + "}" * 60,
    f"[{'a.' * 5000}a]",
    "[retry.budget]\n" + "b." * 150 + "b = 1",
]


@pytest.mark.parametrize("written", DEEP)
def test_what_is_too_deep_is_told_once_on_its_line(tmp_path: Path, written: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(API + written + "\n")
    line = 4 + written.count("\n")
    assert [str(each) for each in check(file, {})] == [f"{file}:{line}: syntax: {TOO_DEEP}"]


@pytest.mark.parametrize("written", ["9" * 6000, "-" + "9_9" * 3000])
def test_a_number_that_nobody_reads_is_told_once_on_its_line(tmp_path: Path, written: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"{API}[retry]\nattempts = {written}\n{API}")
    assert [str(each) for each in check(file, {})] == [f"{file}:5: syntax: {TOO_LONG}"]


@pytest.mark.parametrize(
    "written",
    [
        "[[" + "a." * 30 + "a]]\n" + "b." * 26 + "b = [[[1.5]]]",
        "\n".join(f"x{n} = [[1, 2], [3.5, 4.5], {{ a.b = 1, c.d = 2 }}]" for n in range(50)),
        "x = [\n" + "  [ { a = 1 } ], # [[[\n" * 100 + "]",
        'x = "' + "[" * 100 + '"',
        "[a]\n" + "\n".join(f"[a.b{n}.c]" for n in range(100)),
        "x = " + "9" * 4000,
    ],
)
def test_what_can_be_read_is_not_too_deep(written: str) -> None:
    assert overlong(written) is None


def test_the_depth_of_a_tree_is_that_of_its_deepest_branch() -> None:
    tree: Any = {"a": [{"b": [1]}]}
    assert not is_deep(tree)
    for _ in range(200):
        tree = {"a": 1, "b": [tree]}
    assert is_deep(tree)


@pytest.mark.parametrize(
    "argument", ["a." * 5000 + "a=1", f"retry.on={'[' * 300}{']' * 300}", f"x={'[' * 20_000}"]
)
def test_so_it_is_on_the_command_line(argument: str) -> None:
    config, problems = without_file("http://127.0.0.1:9000", None, None, [argument])
    assert config is not None
    [problem] = [str(each) for each in problems if not each.warning]
    assert TOO_DEEP in problem
    assert len(problem) < 400


@pytest.mark.parametrize("levels", [200, 20_000])
def test_so_it_is_in_python(levels: int) -> None:
    tree: Any = 1
    for _ in range(levels):
        tree = {"a": tree}
    with pytest.raises(ConfigError, match="nested too deeply"):
        from_tables({"retry": tree})
