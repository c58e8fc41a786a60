"""The page on streams: its tables are what the code does."""

import json
import re
from pathlib import Path

import pytest

from proxy.core.stream_options import StreamOptions
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.proxy import dialled

PAGE = Path("docs/streams.md").read_text(encoding="utf-8")
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
EARLY = b"HTTP/1.1 200 OK\r\n"


def rows(first: str) -> list[list[str]]:
    """The cells of the table that begins with this head."""
    table = PAGE.partition(first)[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table if line]


ACCEPTS = [
    (accept, opened.startswith("yes"))
    for accepts, opened in rows("| `Accept` | opened early |\n")
    for accept in [*re.findall(r"`([^`]+)`", accepts), *(["none"] if "none" in accepts else [])]
]


def test_the_table_of_accept_is_read() -> None:
    assert len(ACCEPTS) == 7
    assert {opened for _, opened in ACCEPTS} == {True, False}


@pytest.mark.parametrize(("accept", "opened"), ACCEPTS)
async def test_streams_are_opened_early_for_whom_the_page_says(accept: str, opened: bool) -> None:
    fields = b"" if accept == "none" else f"Accept: {accept}\r\n".encode()
    # The upstream answers only behind what the client has seen, or behind a while.
    async with dialled(
        ["hold"] if opened else [0.1, SSE + b"data: 1\n\n", "fin"], stream={"heartbeat": "20ms"}
    ) as (_, _, client):
        await client.send(get(fields=fields))
        came = await client.read_until(b": heartbeat\n\n" if opened else b"data: 1\n\n")
        assert came.startswith(EARLY)
        assert (b": heartbeat\n\n" in came) is opened


LAST = {
    "abort": None,
    "event": (b"error", {"type", "title", "status", "detail", "instance"}),
    "openai": (b"", {"error"}),
    "anthropic": (b"error", {"type", "error", "request_id"}),
    "graphql": (b"next", {"errors"}),
}


def test_the_table_of_last_events_has_every_choice() -> None:
    named = [row[0].strip('`"') for row in rows("| `on_error` | last event | for |\n")]
    assert named == list(LAST)


async def rest(client: RawClient) -> bytes:
    found = b""
    while data := await client.read():
        found += data
    return found


@pytest.mark.parametrize("choice", LAST)
async def test_a_stream_that_breaks_ends_as_the_page_says(choice: str) -> None:
    async with dialled(
        [SSE, b"data: 1\n\n", 0.05, "rst"],
        stream={"on_error": choice},
    ) as (_, _, client):
        await client.send(get())
        came = await rest(client)
    assert not came.endswith(b"0\r\n\r\n")  # cut, whatever was said
    expected = LAST[choice]
    if expected is None:
        assert came.count(b"data:") == 1
        return
    name, keys = expected
    found = re.search(rb"(?:event: (\w+)\n)?data: (\{.*\})\n\n", came)
    assert found is not None
    assert (found[1] or b"") == name
    assert set(json.loads(found[2])) == keys
    assert (b"event: complete\n" in came) is (choice == "graphql")


def test_a_hold_lasts_as_long_as_the_page_says() -> None:
    assert f"after `commit_wait` ({StreamOptions().commit_wait:g} s)" in PAGE


@pytest.mark.parametrize("option", [{"heartbeat": "1h"}, {"on_error": "event"}, {"resume": "1h"}])
async def test_without_commit_head_and_pings_go_through_at_once(option: dict[str, str]) -> None:
    async with dialled([SSE, b"event: ping\ndata: 1\n\n", "hold"], stream=option) as (_, _, client):
        await client.send(get())
        assert b"event: ping\n" in await client.read_until(b"data: 1\n\n")
