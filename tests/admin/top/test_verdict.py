"""What is wrong with a proxy, or that nothing is, in the words of the page."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.admin import page
from proxy.admin.top.terminal import GREEN, RED, YELLOW, Line
from proxy.admin.top.verdict import ABOUT, HEADLINES, NAMES, clock, some, verdict
from tests.support.seen_proxies import AT, episode, seen, well

FOLDER = Path(page.__file__).parent


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("panels.js", "HEADLINES", HEADLINES),
        ("panels.js", "ABOUT", ABOUT),
        ("base.js", "NAMES", NAMES),
    ],
)
def test_its_words_are_those_of_the_page(file: str, name: str, words: dict[str, str]) -> None:
    text = (FOLDER / file).read_text(encoding="utf-8").partition(f"const {name} = {{")[2]
    told = dict(re.findall(r'(\w+): "([^"]*)"', text.partition("};")[0]))
    assert words.items() <= told.items()
    if name != "NAMES":
        assert words == told


def test_what_waits_for_one_thing_is_one_line_with_the_largest_route_first() -> None:
    causes = [
        episode("queue", f"/r{number}", about="permit", number=number, worst=float(number))
        for number in range(1, 9)
    ]
    causes.append(episode("queue", "/q", about="token", upstream="", number=50, usual=None))
    other, line = verdict(well(now=causes))
    since = clock(AT - 10)
    assert other.text == (
        "! /q: The queue: calls wait for the rate limit of their clients, since "
        f"{since}. 50 calls in the last second, up to 3.0 s"
    )
    assert line == Line(
        f"! /r8, /r7, /r6 and 5 more: The queue: calls wait for a permit of api, since {since}. "
        "36 calls in the last second at api, up to 8.0 s; usually 80 ms",
        RED,
        wraps=True,
    )


def test_a_failure_names_its_servers_and_only_some_causes_are_told() -> None:
    first = episode("answer", number=9, server="http://10.0.0.2:9000", usual=None)
    kinds = ("connect", "body", "client", "quota", "retries")
    lines = [line.text for line in verdict(well(now=[first, *map(episode, kinds)]))]
    assert lines[0].startswith("! /v1: The API answers with errors, since ")
    assert lines[0].endswith("9 calls in the last second at api (10.0.0.2:9000), up to 3.0 s")
    assert len(lines) == 5
    assert lines[4] == "! and 2 more"


UNWELL: dict[str, Any] = {"healthy": False}


@pytest.mark.parametrize(
    ("known", "server", "said", "look"),
    [
        (well(), {}, "All is well: nothing is slow, nothing fails", GREEN),
        (well(), UNWELL, "A server gets no calls: 10.0.0.0:80", YELLOW),
        (
            seen(),
            UNWELL,
            "A server gets no calls: 10.0.0.0:80; 1.0 % of the calls failed over the last minute",
            YELLOW,
        ),
        (
            seen(),
            {},
            "Nothing fails at this moment; 1.0 % of the calls failed over the last minute",
            YELLOW,
        ),
        (
            well(now=[episode(last=AT - 4)]),
            {},
            "Nothing is slow at this moment; calls on /v1 were within the last minute",
            YELLOW,
        ),
        (
            well(before=[episode(last=AT - 59, until=AT - 59)]),
            {},
            "Nothing is slow at this moment; calls on /v1 were within the last minute",
            YELLOW,
        ),
        (
            well(before=[episode(last=AT - 61, until=AT - 61)]),
            {},
            "All is well: nothing is slow, nothing fails",
            GREEN,
        ),
        (seen(routes=0), {}, "Nothing is asked at the moment", ""),
    ],
)
def test_all_is_well_only_where_the_page_says_so(
    known: Any, server: dict[str, Any], said: str, look: str
) -> None:
    one = known.state["upstreams"]["api"][0]
    known.state["upstreams"]["api"][0] = one | {"withdrawn": False} | server
    line, *last = verdict(known)
    assert (line.text, line.look) == (f"  {said}", look)
    troubled = known.causes["now"] + known.causes["before"]
    assert [each.text for each in last] == [
        f"  Last trouble: first byte, until {clock(each['last'])}." for each in troubled
    ]


def test_a_breaker_that_is_open_ejects_its_server() -> None:
    known = well()
    known.state["breakers"].append({"endpoint": "http://10.0.0.0:80", "state": "open"})
    assert next(verdict(known)).text == "  A server gets no calls: 10.0.0.0:80"


def test_names_and_times_are_short() -> None:
    assert some(["http://a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert some(["/" + "x" * 99]) == "/" + "x" * 19 + "…" + "x" * 19
    now = datetime.now().astimezone()
    assert clock(now.timestamp()) == f"{now:%H:%M:%S}"
    assert re.fullmatch(r"Nov 1\d \d\d:\d\d:\d\d", clock(AT))


@pytest.mark.parametrize("cause", ["stale", "fallback"])
def test_a_failure_that_no_client_has_seen_is_no_slowness(cause: str) -> None:
    first, last = verdict(well(before=[episode(cause, last=AT - 20), episode("body", "/slow")]))
    assert first.text == (
        "  Nothing fails at this moment; other replies stood in for failures on /v1 "
        "within the last minute"
    )
    assert first.look == YELLOW
    assert last.text.startswith("  Last trouble: ")
