"""Lines of many exchanges at a time."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.exchange import Exchange
from proxy.telemetry.access_log_batch import Lines
from proxy.telemetry.access_log_line import Line, encode_lines, named

TRACE = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
BEHIND = 1_700_000_000.0


def exchange(target: bytes = b"/", text: str = "a", **known: object) -> Exchange:
    made = Exchange("GET", target, (), target, host=text, request_id=text, started_at=100.0)
    made.record.upstream_request_id = text.encode("utf-8", "surrogatepass").decode("latin-1")
    for name, value in known.items():
        setattr(made, name, value)
    return made


def lines(*exchanges: Exchange, redact: Sequence[str] = ()) -> list[Line]:
    return Lines(redact).of([(each, 100.5) for each in exchanges], BEHIND)


ANY = st.builds(exchange, st.binary(), st.text(st.characters()))


@given(st.lists(ANY, min_size=1, max_size=4))
def test_whatever_a_client_sends_is_written_as_text(sent: list[Exchange]) -> None:
    """Also where all of it could have been taken for text, and in whatever company."""
    written = Lines(()).json([(each, 100.5) for each in sent], BEHIND)
    assert written == encode_lines(lines(*sent))
    found = [msgspec.json.decode(line, type=Line) for line in written.splitlines()]
    for line in found:
        for text in (line.target, line.host, line.request_id, line.upstream_request_id):
            assert text.isascii()
            assert text.isprintable()
    assert found == lines(*sent)
    assert [lines(each)[0] for each in sent] == found


@pytest.mark.parametrize("odd", ["\x7f", "\\", '"', "\x1f", "\x80", "\u2028"])
def test_one_odd_character_is_seen_among_many_lines(odd: str) -> None:
    sent = [exchange(), exchange(text=f"a{odd}b"), exchange(odd.encode("latin-1", "replace"))]
    written = Lines(()).json([(each, 100.5) for each in sent], BEHIND)
    assert written == encode_lines(lines(*sent))


@pytest.mark.parametrize(
    ("redact", "target", "shown", "name"),
    [
        ((), b"/a?page=1", "/a?page=1", "a"),
        ((), b"/a?api_key=1", "/a?api_key=***", "a"),
        ((), b"http://me:secret@a/b", "http://a/b", "a"),
        ((), b"/a;token=1", "/a;token=***", "a"),
        ((), b"", "", "a"),
        (("page",), b"/a?page=1", "/a?page=***", "a"),
        (("X-Request-Id",), b"/", "/", "***"),
    ],
)
def test_what_is_a_secret_is_hidden(
    redact: tuple[str, ...], target: bytes, shown: str, name: str
) -> None:
    [line] = lines(exchange(target), redact=redact)
    assert (line.target, line.request_id) == (shown, name)


@pytest.mark.parametrize(
    ("redact", "hidden"),
    [
        ("user-agent", {"user_agent"}),
        ("USER_AGENT", {"user_agent"}),
        ("Host", {"host"}),
        ("traceparent", {"trace_id"}),
        ("X-Request-Id", {"request_id", "upstream_request_id"}),
        ("x-upstream-request-id", {"upstream_request_id"}),
        ("X-Amzn-RequestId", {"upstream_request_id"}),
        ("X-Other", set()),
    ],
)
def test_what_stands_in_a_field_that_is_redacted_is_hidden(redact: str, hidden: set[str]) -> None:
    fields = [(b"User-Agent", b"curl"), TRACE]
    keys = ("user_agent", "host", "trace_id", "request_id", "upstream_request_id")
    line, bare = lines(exchange(headers=fields), exchange(text=""), redact=(redact,))
    assert {key for key in keys if getattr(line, key) == "***"} == hidden
    assert not any(getattr(bare, key) for key in keys)


def test_each_line_has_the_second_in_which_its_exchange_ended() -> None:
    ended = [(exchange(), at) for at in (100.25, 101.5, 99.75)]
    assert [line.time for line in Lines(()).of(ended, BEHIND)] == [
        "2023-11-14T22:15:00.250Z",
        "2023-11-14T22:15:01.500Z",
        "2023-11-14T22:14:59.750Z",
    ]


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        ("Zürich-1".encode(), "Z%C3%BCrich-1"),
        (b"caf\xe9", "caf%E9"),
        (b"a b", "a b"),
        (b"a%20b", "a%20b"),
    ],
)
def test_the_id_of_an_upstream_is_written_byte_by_byte(theirs: bytes, shown: str) -> None:
    one = exchange()
    one.record.upstream_request_id = theirs.decode("latin-1")
    assert lines(one)[0].upstream_request_id == shown
    written = Lines(()).json([(one, 100.5)], BEHIND)
    assert msgspec.json.decode(written, type=Line).upstream_request_id == shown


def test_the_trace_is_that_of_the_fields() -> None:
    fields = [(b"User-Agent", b"curl"), TRACE]
    assert lines(exchange(headers=fields))[0].trace_id == named(fields)[1] != ""


@given(st.floats(0.0, 1e6))
def test_times_are_in_thousandths_of_a_millisecond(seconds: float) -> None:
    one = exchange()
    one.record.queue_s = one.record.connect_s = seconds
    [line] = lines(one)
    assert line.queue_ms == line.connect_ms == pytest.approx(round(seconds * 1000, 3), abs=0.0011)
    assert len(msgspec.json.encode(line.queue_ms).partition(b".")[2]) <= 3
