"""The page on retries: each cell of its table is asked of the policy, or of a real proxy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.core.errors import (
    AttemptTimeout,
    ConnectFailed,
    ConnectionTerminated,
    ProxyError,
    ResponseTimeout,
    Stage,
    UpstreamError,
)
from proxy.core.exchange import Exchange
from proxy.core.outcome import failure_class
from proxy.middleware.retry.options import BudgetOptions, RetryOptions
from tests.middleware.retry.test_retry import retry
from tests.support.loop import JumpingLoop, Script, get, post, reply
from tests.support.proxy import fronted
from tests.support.upstream import closed_port

PAGE: Final = (Path(__file__).parents[2] / "docs/retries.md").read_text(encoding="utf-8")
HEAD: Final = "| what happened | `on` | GET | POST | POST with a key |\n"
KEY: Final = ((b"Idempotency-Key", b"1"),)
DEFAULTS: Final = RetryOptions()

FAILED: Final[dict[str, list[Callable[[], Any]]]] = {
    "no connection, or the server closed it": [
        ConnectFailed,
        lambda: ConnectionTerminated(stage=Stage.NOT_SENT),
    ],
    "an idle connection ended": [lambda: ConnectionTerminated(stage=Stage.STALE)],
    "the connection broke before": [ConnectionTerminated],
    "no reply within `first_byte`": [ResponseTimeout],
    "no reply within `per_try`": [lambda: AttemptTimeout(stage=Stage.SENT)],
    "429": [lambda: reply(429)],
    "502, 503, 504": [lambda: reply(502), lambda: reply(503), lambda: reply(504)],
    "500 and other 5xx": [lambda: reply(500), lambda: reply(501), lambda: reply(529)],
}
"""What an attempt comes to, by the first words of a row."""
BROKEN: Final = {
    "a reply of up to 64 KiB broke off": b"Content-Length: 65536\r\n\r\nhalf",
    "a longer reply or a stream broke off": b"Content-Length: 65537\r\n\r\nhalf",
}
"""The head of a reply that breaks off, by its row; only a real proxy can tell."""


def rows() -> dict[str, list[str]]:
    """The cells of the table, by the first of each row."""
    lines = PAGE.partition(HEAD)[2].partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def row(begins: str) -> list[str]:
    [found] = [cells for name, cells in rows().items() if name.startswith(begins)]
    return found


def request(column: int) -> Exchange:
    return (get(), post("/", b"x"), post("/", b"x", KEY))[column]


async def sends(came: Any, column: int, on: tuple[str, ...]) -> int:
    """How often a request is sent whose first attempt comes to this."""
    script = Script(came, reply(200))
    try:
        await retry(script, on=on)(request(column))
    except ProxyError:
        assert script.sends == 1
    return script.sends


def test_the_table_has_these_rows_and_no_others() -> None:
    begun = (*FAILED, *BROKEN)
    assert len(rows()) == len(begun)
    assert all(row(begins) for begins in begun)


@pytest.mark.parametrize("column", range(3), ids=["GET", "POST", "POST with a key"])
@pytest.mark.parametrize("what", FAILED)
async def test_a_failure_is_tried_again_where_the_table_says(
    jumping: JumpingLoop, what: str, column: int
) -> None:
    named, *cells = row(what)
    names = tuple(re.findall(r"`([^`]+)`", named))
    for failure in FAILED[what]:
        by_default = await sends(failure(), column, DEFAULTS.on)
        if_named = await sends(failure(), column, (*DEFAULTS.on, *names))
        said = {(2, 2): "yes", (1, 2): "if named", (1, 1): "no"}[by_default, if_named]
        assert said == cells[column]


@pytest.mark.parametrize("what", FAILED)
def test_what_on_has_to_name_is_called_so(what: str) -> None:
    names = re.findall(r"`([^`]+)`", row(what)[0])
    for failure in FAILED[what]:
        came = failure()
        if isinstance(came, AttemptTimeout):
            assert not names
        elif isinstance(came, UpstreamError):
            assert names == [failure_class(came)]
        else:
            assert str(came.status) in names or "5xx" in names


@pytest.mark.parametrize("column", range(3), ids=["GET", "POST", "POST with a key"])
@pytest.mark.parametrize("what", BROKEN)
async def test_a_reply_that_breaks_off_is_tried_again_where_the_table_says(
    what: str, column: int
) -> None:
    cut = [b"HTTP/1.1 200 OK\r\n" + BROKEN[what], "fin"]
    whole = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    fields = b"" if column < 2 else b"Idempotency-Key: 1\r\n"
    method, body = (b"GET", b"") if not column else (b"POST", b"Content-Length: 0\r\n")
    head = method + b" / HTTP/1.1\r\nHost: proxy.test\r\nConnection: close\r\n" + fields + body
    async with fronted(cut, whole) as (upstream, proxy), await proxy.connect() as client:
        await client.send(head + b"\r\n")
        while await client.read():
            pass
        assert len(upstream.requests) == {"yes": 2, "no": 1}[row(what)[column + 1]]


@pytest.mark.parametrize("kind", [b"GET", b"POST"])
async def test_where_there_is_no_connection_another_server_is_asked(kind: bytes) -> None:
    whole = ["wait-body", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    async with fronted(whole) as (upstream, proxy):
        servers = [f"http://127.0.0.1:{closed_port()}", upstream.url]
        await proxy.reload(upstream_options={"servers": servers})
        for _ in range(2):  # whichever is asked first
            answer = await proxy.ask(
                kind + b" / HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: 2\r\n\r\nhi"
            )
            assert answer.status == 200


def test_the_figures_are_those_of_the_options() -> None:
    text = " ".join(PAGE.split())
    budget = BudgetOptions()
    for claim in (
        f"at most {budget.percent:g} % of the requests of the last ten"
        * (float(budget.window) == 10),
        f"or {budget.min_per_second:g} a second",
        f"`backoff_base` ({DEFAULTS.backoff_base * 1000:g} ms)",
        f"`max_retry_after` ({DEFAULTS.max_retry_after:g} s)",
        f"`max_body` ({DEFAULTS.max_body >> 20} MiB)",
    ):
        assert claim in text
    assert (DEFAULTS.attempts, float(budget.window)) == (3, 10)
    written = re.search(r"on = (\[.*?\])", PAGE)
    assert written is not None
    assert re.findall(r'"([^"]+)"', written[1]) == [*DEFAULTS.on, "429"]
    assert DEFAULTS.methods == ("GET", "HEAD", "OPTIONS", "QUERY", "PUT", "DELETE")
