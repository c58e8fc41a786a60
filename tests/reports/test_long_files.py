"""The work of finding the line of a mistake grows with the file, however long its lists are."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\nservers = ["http://a"]\n'


def of_a_list(count: int) -> str:
    items = "".join(f'  "10.{n // 250 % 250}.{n % 250}.1",  # [::]\n' for n in range(count))
    return f"[server]\ntrusted_proxies = [\n{items}  5,\n]\n{API}"


def of_routes(count: int) -> str:
    routes = "".join(f'[[routes]]\npath = "/{n}"\nupstream = "api"\n' for n in range(count))
    return f"{API}{routes}[retry]\natempts = 3\n"


def of_servers(count: int) -> str:
    items = "".join(f'  {{ url = "http://10.0.{n // 250}.{n % 250}" }},\n' for n in range(count))
    return f'[[upstreams]]\nname = "api"\nservers = [\n{items}  {{ ur = "x" }},\n]\n'


def of_broken_lines(count: int) -> str:
    return of_list_before(count) + "".join(f"x{n} = info\n" for n in range(30))


def of_list_before(count: int) -> str:
    return of_a_list(count).replace("  5,\n", "") + "[log]\n"


def steps(file: Path, text: str) -> int:
    """Calls of functions in Python while a file is checked."""
    file.write_text(text)
    count = 0

    def counted(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counted)
    try:
        assert check(file, {})
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("made", [of_a_list, of_routes, of_servers, of_broken_lines])
def test_twice_the_lines_are_twice_the_work(tmp_path: Path, made: Any) -> None:
    file = tmp_path / "config.toml"
    steps(file, made(10))  # what is imported and remembered once
    assert steps(file, made(800)) < 2.3 * steps(file, made(400))


def test_the_line_is_that_of_the_item(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(of_a_list(2000))
    [problem] = check(file, {})
    assert problem.line == 2003
