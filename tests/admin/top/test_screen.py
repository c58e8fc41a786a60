"""What is shown of one proxy or several, at each size of a terminal."""

from typing import Any

import pytest

from proxy.admin.top.screen import screen
from proxy.admin.top.terminal import RED, Terminal
from proxy.telemetry.recorder import SHOWN
from tests.support.seen_proxies import episode, known, seen, well

ALL = Terminal()


def texts(*proxies: Any, terminal: Terminal = ALL) -> list[str]:
    return [line.text for line in screen(proxies, terminal)]


@pytest.mark.parametrize(
    ("server", "phases", "most"),
    [
        ("", [0, 99, 0, 0, 0, 0], "-"),  # a hundred calls: refused, or stored
        ("", [0, 100, 0, 0, 0, 0], "queue"),
        ("", [100, 99, 0, 0, 0, 0], "client"),
        ("http://10.0.0.1:80", [0, 0, 0, 0, 9, 1], "first byte"),
        ("http://10.0.0.1:80", [0, 0, 0, 0, 0, 0], "-"),
    ],
)
def test_what_is_refused_at_once_waits_for_nothing(
    server: str, phases: list[int], most: str
) -> None:
    found = seen(1, 1)
    found.history["series"] = [["/r0", "api" if server else "", server]]
    found.history["steps"] = [{"rows": [[0, 100, 0, 100, 0, 0, phases, {"1": 100}]]}]
    [line] = [line for line in texts(known(found=found)) if line.startswith("/r0 ")]
    assert line.endswith(f"  {most}")


def test_of_many_routes_and_servers_those_in_trouble_are_shown() -> None:
    lines = texts(known(found=seen(30, 40)))
    assert lines[1] == (
        "  Nothing fails at this moment; < 0.1 % of the calls failed over the last minute"
    )
    assert lines[3].startswith("/r29 ")
    first = next(number for number, line in enumerate(lines) if line.startswith("SERVER"))
    assert "10.0.0.39" in lines[first + 1]
    assert lines[first + 1].endswith("drained")
    assert [line for line in lines if "more;" in line] == [
        "  and 20 more; what fails stands first",
        "  and 30 more; what fails stands first",
    ]


def troubled(routes: int = 5) -> Any:
    """A proxy with several causes, long names and calls in flight."""
    causes = [episode(cause) for cause in ("queue", "answer", "connect", "body", "quota")]
    found = seen(routes, 3, now=causes)
    found.history["series"][0][0] = "/v1/" + "long/" * 20
    call = {"method": "GET", "seconds": 2.0, "target": "/" + "t" * 90, "why": "2.0 s " * 20}
    found.exchanges["in_flight"] = [call] * 8
    found.exchanges["exchanges"] = [call | {"status": 502, "failed": True}] * 8
    found.state["concurrency"] = {"api": {"in_flight": 3, "limit": 3, "waiting": 9}}
    return found


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (120, 40), (40, 10)])
@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_each_proxy_has_its_part_of_a_terminal(size: tuple[int, int], number: int) -> None:
    columns, height = size
    terminal = Terminal(columns, height - 1)
    names = [f"10.0.0.{each}:9901" for each in range(number)]
    lines = texts(*(known(name, troubled()) for name in names), terminal=terminal)
    assert len(lines) <= height - 1
    assert all(len(line) <= columns for line in lines)
    fit = min(number, (height - 1) // 2)
    at = [next(n for n, line in enumerate(lines) if line.startswith(name)) for name in names[:fit]]
    assert all(lines[each + 1].startswith("! /v1: The ") for each in at)
    assert fit == number or lines[2 * fit].startswith(f"and {number - fit} more; ")
    if number * (2 + 1 + 3) < height:
        assert sum(line.startswith("ROUTE") for line in lines) == number


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_names_lose_their_middle_before_numbers_are_cut(columns: int) -> None:
    lines = texts(known(found=troubled()), terminal=Terminal(columns, 60))
    [route] = [line for line in lines if line.startswith("/v1/lo")]
    assert "…" in route
    assert route.endswith("client")
    assert len(route) <= columns
    [server] = [line for line in lines if line.startswith("api (10.0.0.2:80)")]
    assert server.endswith("drained")
    wrong = " ".join(line.strip() for line in lines).partition("ROUTE")[0]
    assert "! /v1: The API answers with errors, since" in wrong
    assert "in the last second at api, up to 3.0 s; usually 80 ms" in wrong


def test_what_is_cut_from_a_section_is_counted_and_trouble_stays() -> None:
    lines = texts(known(found=seen(30, 1)), terminal=Terminal(80, 12))
    routes = lines[lines.index(next(line for line in lines if line.startswith("ROUTE"))) :]
    assert routes[1].startswith("/r29 ")
    shown = next(number for number, line in enumerate(routes) if "more;" in line)
    assert routes[shown] == f"  and {30 - shown + 1} more; what fails stands first"


def test_of_too_many_proxies_those_in_trouble_are_seen() -> None:
    names = [f"10.0.0.{each}:9901" for each in range(20)]
    proxies = [known(name, well()) for name in names[:-1]]
    lines = texts(*proxies, known(names[-1], troubled()), terminal=Terminal(80, 23))
    assert lines[0].startswith(names[-1])
    assert lines[22] == "and 9 more; what is in trouble stands first"


@pytest.mark.parametrize(
    ("room", "number", "first", "more"),
    [
        (1, 1, 1, []),
        (1, 3, 1, []),
        (2, 2, 2, []),
        (2, 3, 1, ["and 2 more; what is in trouble stands first"]),
        (3, 3, 1, ["and 2 more; what is in trouble stands first"]),
    ],
)
def test_a_terminal_of_a_few_lines_shows_a_line_of_as_many_as_fit(
    room: int, number: int, first: int, more: list[str]
) -> None:
    names = [f"10.0.0.{each}:9901" for each in range(number)]
    proxies = [known(name, well()) for name in names[:-1]]
    lines = texts(*proxies, known(names[-1], troubled()), terminal=Terminal(80, room))
    assert len(lines) <= room
    assert lines[0].startswith(names[-1])
    assert sum(line.startswith("10.0.0.") for line in lines) == first
    assert lines[room - len(more) :] == more


def test_the_age_of_what_is_shown_is_said() -> None:
    lines = screen([known(found=well(), silent=7.2), known("b", well(), silent=1.0)], ALL)
    assert lines[0][:2] == ("127.0.0.1:9901: nothing heard for 7 s", RED)
    assert lines[1].text == "  what is below is from then"
    assert lines[2].text.startswith("b  ")
    fault = known("c", well(), fault="not reached: Connection refused", silent=70.0)
    assert texts(fault)[0] == "c: not reached: Connection refused; nothing heard for 70 s"
    assert any(line.startswith("ROUTE") for line in texts(fault))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "a: asked, no answer yet"),
        ({"silent": 7.0}, "a: nothing heard for 7 s"),
        ({"silent": 7.0, "fault": "not reached: x"}, "a: not reached: x"),
    ],
)
def test_one_that_has_never_answered_has_one_line(fields: dict[str, Any], said: str) -> None:
    assert texts(known("a", **fields)) == [said]


@pytest.mark.parametrize(("number", "said"), [(8, "8"), (SHOWN, "64+")])
def test_more_calls_in_flight_than_are_told_are_no_exact_number(number: int, said: str) -> None:
    found = troubled()
    found.exchanges["in_flight"] = found.exchanges["in_flight"][:1] * number
    assert texts(known(found=found))[0].endswith(f"  {said} in flight")
