"""The rules that no linter knows."""

from pathlib import Path

import pytest

from tools import house
from tools.house import LONGEST, LONGEST_OF_ONE_IDEA, clocks
from tools.mirror import mirrored, untested

ONE_IDEA = '"""What it is.\n\nOne idea: what it is made of says nothing alone.\n"""\n'
ASKS = [
    "import time\n",
    "from time import monotonic\n",
    "now = loop.time()\n",
    "now = self._loop.time()\n",
    "clock = asyncio.get_running_loop().time\n",
]


@pytest.mark.parametrize("line", ASKS)
@pytest.mark.parametrize(
    ("folder", "instead"),
    [("proxy/policy", "take `now`"), ("proxy/middleware/hedge", "take a `Clock` (core/clock)")],
)
def test_a_clock_that_was_not_handed_in_is_found(
    line: str, folder: str, instead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir(parents=True)
    Path(folder, "part.py").write_text(f'"""A part."""\n{line}', encoding="utf-8")
    [problem] = clocks()
    assert problem.startswith(f"{folder}/part.py:2: ")
    assert problem.endswith(instead)


@pytest.mark.parametrize("line", ["now = self._clock()", "began = self.time", "a.time = 3.0"])
def test_a_clock_that_was_handed_in_may_be_asked_and_a_time_may_be_kept(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("proxy/policy").mkdir(parents=True)
    Path("proxy/policy/part.py").write_text(f"{line}\n", encoding="utf-8")
    assert clocks() == []


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("proxy/policy/part.py", "import time\n", "proxy/policy/part.py:1: asks a clock"),
        ("proxy/edge/part.py", 'END = b"\\r\\n\\r\\n"\n', "proxy/edge/part.py:1: a copy"),
        ("tests/test_it.py", "\n" * (LONGEST + 1), f"tests/test_it.py: {LONGEST + 1} lines"),
        (
            "tests/test_it.py",
            '"""One idea."""' + "\n" * (LONGEST + 1),
            f"tests/test_it.py: {LONGEST + 1} lines, {LONGEST} at most",
        ),
        (
            "tests/test_it.py",
            ONE_IDEA + "\n" * LONGEST_OF_ONE_IDEA,
            f"{LONGEST_OF_ONE_IDEA} at most",
        ),
        ("proxy/edge/part.py", "", "proxy/edge/part.py: no tests/edge/test_part.py"),
    ],
)
def test_each_kind_of_problem_fails_the_check(
    file: str,
    text: str,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(house, "mirrored", lambda: untested({}))
    told = list[str]()
    monkeypatch.setattr(house, "print", told.append, raising=False)
    Path(file).parent.mkdir(parents=True)
    Path(file).write_text(text, encoding="utf-8")
    assert house.main() == 1
    assert problem in told[0]


@pytest.mark.parametrize(
    "text",
    ["\n" * LONGEST, ONE_IDEA + "\n" * (LONGEST_OF_ONE_IDEA - ONE_IDEA.count("\n"))],
    ids=["any", "one idea"],
)
def test_what_is_as_long_as_it_may_be_is_no_problem(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(house, "mirrored", list)
    Path("tests").mkdir()
    Path("tests/test_it.py").write_text(text, encoding="utf-8")
    assert house.main() == 0


def test_every_module_is_tested_where_its_name_says() -> None:
    assert mirrored() == []


@pytest.mark.parametrize(
    ("tests", "exceptions", "expected"),
    [
        (["tests/policy/test_part.py"], {}, []),
        ([], {"policy/part": ""}, []),
        (["tests/wire/test_all.py"], {"policy/part": "tests/wire/test_all.py"}, []),
        (["tests/test_part.py"], {}, ["proxy/policy/part.py: no tests/policy/test_part.py"]),
        (["tests/policy/test_part.py"], {"policy/part": ""}, ["tools/mirror.py: policy/part has"]),
        (
            [],
            {"policy/part": "", "core/gone": ""},
            ["tools/mirror.py: there is no proxy/core/gone.py"],
        ),
        ([], {"policy/part": "tests/wire/test_all.py"}, ["tools/mirror.py: there is no te"]),
    ],
)
def test_a_module_without_its_test_is_found_and_so_is_an_exception_that_is_none(
    tests: list[str],
    exceptions: dict[str, str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("proxy/__init__.py", "proxy/policy/part.py", *tests):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    problems = untested(exceptions)
    assert len(problems) == len(expected)
    assert all(map(str.startswith, problems, expected))


@pytest.mark.parametrize(
    ("body", "declares"),
    [
        ("return 1", True),
        ("return [each for each in a]", True),
        ("if a: b()", False),
        ("return a and b", False),
        ("for each in a: b()", False),
        ("while a: b()", False),
        ("try: b()\n    finally: c()", False),
        ("return a if b else c", False),
    ],
)
def test_a_module_with_a_branch_does_more_than_declare(
    body: str, declares: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("proxy/policy").mkdir(parents=True)
    text = f"FAST = 1 if __debug__ else 2\n\n\ndef part():\n    {body}\n"
    Path("proxy/policy/part.py").write_text(text, encoding="utf-8")
    start = "tools/mirror.py: policy/part does more than declare"
    assert [each[: len(start)] for each in untested({"policy/part": ""})] == [start] * (
        not declares
    )
