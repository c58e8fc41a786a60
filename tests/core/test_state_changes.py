"""Lines about changes of state."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.core.state_changes import EVENTS, tell
from proxy.telemetry.log import JsonFormatter

CALL = re.compile(r'\btell\(\s*"(\w+)"')


def test_an_event_has_its_keys_in_its_line(caplog: pytest.LogCaptureFixture) -> None:
    tell("ejected", "http://a fails", route="/v1", upstream="api", endpoint="http://a", for_s=5.0)
    [record] = caplog.records
    line = json.loads(JsonFormatter().format(record))
    del line["time"]
    assert line == {
        "level": "warning",
        "logger": "proxy.state",
        "message": "http://a fails",
        "event": "ejected",
        "route": "/v1",
        "upstream": "api",
        "endpoint": "http://a",
        "for_s": 5.0,
    }


def test_a_key_that_is_not_promised_is_a_fault() -> None:
    with pytest.raises(AssertionError):
        tell("back", "", route="/v1", upstream="api", server="http://a")


def test_what_is_below_the_level_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "proxy.state"):
        tell("limit_moved", "", level=logging.INFO, upstream="api", before=1, after=2)
    assert not caplog.records


def told() -> Iterator[str]:
    for path in Path("proxy").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "state_changes import tell" in text:
            yield from CALL.findall(text)


def test_every_event_is_told_somewhere_and_nothing_else() -> None:
    assert set(told()) == EVENTS.keys()


def test_the_page_tells_of_every_event_with_its_keys() -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    table = page.partition("### Changes of state")[2].partition("```")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE)
    assert {event: " ".join(re.findall(r"\w+", keys)) for event, keys in rows} == EVENTS
