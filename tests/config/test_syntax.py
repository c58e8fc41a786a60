"""What is no TOML is never an accident of ours, whatever was typed."""

import random
import tomllib
from pathlib import Path

import pytest

from proxy.config import syntax
from proxy.config.load import read
from proxy.config.sample import sample

SIGNS = "\"'[]{}=,#\\:“ \n.$0x-"


def mistyped(rng: random.Random) -> str:
    """The whole file, every option of it written, with a few slips."""
    lines = [line.removeprefix("# ") for line in sample().split("\n")[6:]]
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(lines))
        line = lines[at]
        cut = rng.randrange(len(line) + 1)
        lines[at] = rng.choice(
            [
                line.replace('"', "", 1),
                line[:cut] + rng.choice(SIGNS) + line[cut:],
                line[:cut] + line[cut + 1 :],
                line.replace("=", ":", 1),
                line.replace("[", "[[", 1),
                line + "\n" + rng.choice(lines),
            ]
        )
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(25))
def test_every_slip_is_a_problem_on_a_line_of_the_file(tmp_path: Path, seed: int) -> None:
    text = mistyped(random.Random(seed))
    file = tmp_path / "config.toml"
    file.write_text(text)
    config, problems = read(file, {})
    assert config is not None or any(not problem.warning for problem in problems)
    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in problems)


@pytest.mark.parametrize("seed", range(25))
def test_what_is_read_on_is_toml_with_the_same_lines(seed: int) -> None:
    text = mistyped(random.Random(seed))
    tree, mended, faults = syntax.read(text)
    read_again = tomllib.loads(mended)
    assert tree.items() <= read_again.items()
    assert mended.count("\n") <= text.count("\n")
    assert len(faults) <= 21
    try:
        assert (tomllib.loads(text), []) == (tree, faults)
    except tomllib.TOMLDecodeError:
        assert faults


def test_a_table_above_its_list_is_told_and_taken_out() -> None:
    lines = ["[server]", "[routes.retry]", "attempts = 2", "[[routes]]"]
    [(number, message)] = syntax._misplaced(lines, 4)
    assert number == 2
    assert message == "[routes.retry] stands above [[routes]], write it below the one it is for"
    assert lines[1] == "[left-out-2]"


def test_a_table_below_its_list_is_no_mistake() -> None:
    lines = ["[[routes]]", "[routes.retry]", "[[routes]]"]
    before = lines.copy()
    assert syntax._misplaced(lines, 3) == syntax._misplaced(lines, 2) == []
    assert lines == before
