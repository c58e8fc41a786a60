"""Lines for a terminal, or for what stands in its place."""

import sys

import pytest

from proxy.admin.top.terminal import (
    CLEAR,
    RED,
    Line,
    Terminal,
    dressed,
    elided,
    fitted,
    shared,
    standard_output,
    table,
    write,
)


def test_control_characters_do_not_reach_the_terminal() -> None:
    line = Line("a\x1b[2Jb\r\n\x9bc", RED)
    assert [dressed(each, colours=False) for each in fitted([line], 80)] == ["a?[2Jb???c"]
    assert [dressed(each, colours=True) for each in fitted([line], 4)] == ["\33[31ma?[2\33[0m"]


def test_what_wraps_is_whole() -> None:
    text = "! /v1: The first byte: the API takes its time to answer, since 12:00:00"
    lines = fitted([Line(text, RED, wraps=True)], 40)
    assert all(len(each.text) <= 40 and each.look == RED for each in lines)
    assert [each.text for each in lines] == [
        "! /v1: The first byte: the API takes its",
        "  time to answer, since 12:00:00",
    ]
    [cut] = fitted([Line(text)], 40)
    assert cut.text == text[:40]
    assert fitted([Line(text)], 0) == [Line(text)]


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [("/v1/a", 5, "/v1/a"), ("/v1/accounts", 8, "/v1/…nts"), ("abcdef", 5, "ab…ef")],
)
def test_a_long_name_loses_its_middle(text: str, most: int, shown: str) -> None:
    assert elided(text, most) == shown
    assert len(shown) <= most


def test_names_give_way_to_numbers() -> None:
    rows = [("ROUTE", "calls/s", "MOST"), ("/v1/some/long/name", "12.5", "first byte")]
    assert table(rows, 0) == [
        "ROUTE              calls/s  MOST",
        "/v1/some/long/name    12.5  first byte",
    ]
    assert table(rows, 30) == [
        "ROUTE      calls/s  MOST",
        "/v1/s…name    12.5  first byte",
    ]
    assert table(rows, 10)[1] == "/v1/…ame    12.5  first byte"


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([9, 9], 10, [5, 5]),
        ([9, 2], 10, [8, 2]),
        ([2, 9, 9], 10, [2, 4, 4]),
        ([9, 9, 9], 5, [3, 2, 0]),
        ([9, 1], 0, [0, 0]),
        ([1, 1], 10, [1, 1]),
    ],
)
def test_room_is_shared_fairly(wanted: list[int], room: int, given: list[int]) -> None:
    assert shared(wanted, room, 2) == given


@pytest.mark.parametrize(
    ("tty", "environment", "expected"),
    [
        (False, {}, Terminal()),
        (True, {}, Terminal(60, 19, clears=True, colours=True)),
        (True, {"NO_COLOR": "1"}, Terminal(60, 19, clears=True, colours=False)),
        (True, {"NO_COLOR": ""}, Terminal(60, 19, clears=True, colours=True)),
        (True, {"TERM": "dumb"}, Terminal(60, 19)),
    ],
)
def test_escape_codes_go_only_to_a_terminal_that_wants_them(
    tty: bool, environment: dict[str, str], expected: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: tty)
    for name, value in ({"TERM": "xterm", "COLUMNS": "60", "LINES": "20"} | environment).items():
        monkeypatch.setenv(name, value)
    if "NO_COLOR" not in environment:
        monkeypatch.delenv("NO_COLOR", raising=False)
    assert standard_output(once=False) == expected
    if tty:
        assert standard_output(once=True) == expected._replace(lines=0, clears=False)


def test_it_is_written_over_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [Line("a", RED), Line("b")]
    write(lines, Terminal(clears=True, colours=True))
    assert capsys.readouterr().out == f"{CLEAR}\33[31ma\33[0m\nb\n"
    write(lines, Terminal())
    assert capsys.readouterr().out == "a\nb\n"
