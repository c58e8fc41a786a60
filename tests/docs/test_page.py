"""What ``docs/page.md`` and ``docs/operations.md`` say of the admin listener."""

import re
from pathlib import Path

import pytest

from proxy.admin import filter as filters
from proxy.admin.api import openapi
from proxy.admin.filter import parse
from proxy.admin.page.document import document
from proxy.telemetry import cause, usual
from proxy.telemetry.episodes import QUIET, SILENT
from proxy.telemetry.history import BUDGET, CALLS, MINUTES, SECONDS
from proxy.telemetry.phases import NAMES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "page.md").read_text(encoding="utf-8")
OPERATIONS = (
    (DOCS / "operations.md")
    .read_text(encoding="utf-8")
    .partition("The page at `/`")[2]
    .partition("All of the state is made")[0]
)
"""Of the page, what can be asked of the admin listener beside the state."""


def test_the_phases_are_named_in_their_order() -> None:
    table = PAGE.partition("| phase |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(NAMES)


def test_every_word_of_the_filter_is_explained_and_works() -> None:
    table = PAGE.partition("| word | keeps |")[2].partition("\n\n")[0]
    words = re.findall(r"`([a-z]+:[^`]+)`", table)
    assert {word.partition(":")[0] for word in words} == set(filters._KEYS)
    for word in words:
        parse(word)


def test_the_numbers_are_those_of_the_code() -> None:
    assert (usual.TIMES, usual.FLOOR, usual.UNKNOWN, usual.ENOUGH) == (3.0, 0.25, 1.0, 20)
    assert (usual.MEMORY, usual._RATE, QUIET, SILENT) == (600.0, 1 << 20, 5.0, 60.0)
    assert (BUDGET, SECONDS, MINUTES, CALLS) == (4 << 20, 3600, 1440, 500)
    for name in (cause.ANSWER, cause.UNAVAILABLE, cause.QUOTA, cause.PROXY):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("text", [PAGE, OPERATIONS], ids=["page", "operations"])
def test_every_address_that_is_named_exists(text: str) -> None:
    named = set(re.findall(r"/api/[\w/.]+\w", text))
    assert named
    known = set(openapi()["paths"]) | {"/api/openapi.json"}
    assert {path.replace("ID", "{id}") for path in named} <= known


def test_the_page_is_as_small_as_is_said() -> None:
    assert "72 KiB" in (DOCS / "decisions/0048-the-page.md").read_text(encoding="utf-8")
    assert len(document().body) < 73 << 10
