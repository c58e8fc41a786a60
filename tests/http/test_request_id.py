"""A request keeps the names it came with, or gets some."""

import random
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http.request_id import ensure_ids, kept_ids, new_ids, sampled_of

Fields = list[tuple[bytes, bytes]]

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ID = (b"X-Request-Id", b"%032x" % 128)
PARENT = (b"traceparent", b"00-%032x-0000008000000000-01" % 128)


def same(count: int) -> int:
    return count


def test_a_request_without_names_gets_both() -> None:
    name = "0123456789abcdef"
    fields, request_id = ensure_ids([(b"A", b"1")], lambda count: int(name * (count // 64), 16))
    assert request_id == name * 2
    assert fields == [
        (b"A", b"1"),
        (b"X-Request-Id", request_id.encode()),
        (b"traceparent", f"00-{request_id}-{name[8:]}{name[:8]}-01".encode()),
    ]


def test_valid_names_stay_as_and_where_they_are() -> None:
    fields = [
        (b"TraceParent", TRACE),
        (b"x-REQUEST-id", b"a,b"),
        (b"A", b"1"),
        (b"tracestate", b"x=1"),
    ]
    assert ensure_ids(fields, same) == (fields, "a,b")


@pytest.mark.parametrize("value", [b"", b"a b", b"a\tb", b"\xe9", b"a\x00", b"x" * 129])
def test_an_invalid_request_id_is_replaced_in_its_place(value: bytes) -> None:
    fields = [(b"x-request-id", value), (b"A", b"1"), (b"traceparent", TRACE)]
    assert ensure_ids(fields, same) == ([ID, *fields[1:]], f"{128:032x}")


@pytest.mark.parametrize("name", [b"X_Request_Id", b"x_request-id", b"X-REQUEST_ID"])
def test_what_some_servers_take_for_the_request_id_is_dropped(name: bytes) -> None:
    fields = [(name, b"one"), (b"A", b"1"), (b"traceparent", TRACE)]
    assert ensure_ids(fields, same) == ([*fields[1:], ID], f"{128:032x}")
    fields.append((b"X-Request-Id", b"two"))
    assert ensure_ids(fields, same) == (fields[1:], "two")
    assert kept_ids([fields[0]]) is None


@pytest.mark.parametrize(("first", "kept"), [(b"one", "one"), (b"o ne", f"{128:032x}")])
def test_of_several_request_ids_one_is_left(first: bytes, kept: str) -> None:
    fields = [(b"X-Request-Id", first), (b"traceparent", TRACE), (b"x-request-id", b"two")]
    result, request_id = ensure_ids(fields, same)
    assert request_id == kept
    assert result == [(b"X-Request-Id", kept.encode()), fields[1]]


@pytest.mark.parametrize(
    "value",
    [
        TRACE,
        TRACE[:-2] + b"ff",
        b"01" + TRACE[2:],
        b"cc" + TRACE[2:] + b"-what-the-future-will-be",
    ],
)
def test_a_valid_traceparent_is_kept(value: bytes) -> None:
    fields = [(b"traceparent", value), (b"tracestate", b"a=1"), (b"X-Request-Id", b"i")]
    assert ensure_ids(fields, same)[0] == fields


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"x", TRACE.upper(), TRACE[:-1], TRACE + b"0", TRACE + b"-x", b"ff" + TRACE[2:]),
        *(
            b"cc" + TRACE[2:] + b"x",
            b"00-" + b"0" * 32 + TRACE[35:],
            TRACE[:36] + b"0" * 16 + b"-01",
        ),
        *(TRACE.replace(b"-", b"_"), b"0g" + TRACE[2:], TRACE + b"\n"),
    ],
)
def test_an_invalid_traceparent_begins_a_new_trace(value: bytes) -> None:
    fields = [(b"traceparent", value), (b"tracestate", b"a=1"), (b"X-Request-Id", b"i")]
    assert ensure_ids(fields, same)[0] == [PARENT, fields[2]]


def test_two_traceparents_are_none() -> None:
    fields = [
        (b"X-Request-Id", b"i"),
        (b"traceparent", TRACE),
        (b"A", b"1"),
        (b"traceparent", TRACE),
    ]
    assert ensure_ids(fields, same)[0] == [fields[0], PARENT, fields[2]]


def test_a_state_without_a_trace_is_dropped() -> None:
    fields = [(b"tracestate", b"a=1"), (b"X-Request-Id", b"i")]
    assert ensure_ids(fields, same)[0] == [fields[1], PARENT]


names = st.sampled_from(
    [b"A", b"X-Request-Id", b"X_Request_Id", b"traceparent", b"tracestate", b"x-11-letter"]
)
values = st.one_of(st.binary(max_size=6), st.just(TRACE))


@given(st.lists(st.tuples(names, values), max_size=6), st.integers())
def test_there_is_one_of_each_and_the_rest_is_as_it_was(some: Fields, seed: int) -> None:
    before = list(some)
    fields, request_id = ensure_ids(some, random.Random(seed).getrandbits)
    assert some == before
    assert [value for name, value in fields if name == b"X-Request-Id"] == [request_id.encode()]
    assert [name for name, _ in fields].count(b"traceparent") == 1
    assert [f for f in fields if f[0] in (b"A", b"x-11-letter")] == [
        f for f in some if f[0] in (b"A", b"x-11-letter")
    ]
    assert b"X_Request_Id" not in dict(fields)
    assert ensure_ids(fields)[0] == fields


GIVEN = st.lists(
    st.tuples(
        st.sampled_from([b"X-Request-Id", b"TRACEPARENT", b"tracestate"]),
        st.sampled_from([TRACE, b"a", b"", b"a b", b"x=1"]),
    ),
    max_size=4,
)


@given(GIVEN)
@example([(b"traceparent", TRACE), (b"traceparent", TRACE)])
@example([(b"X-Request-Id", b"a"), (b"X-Request-Id", b"a")])
def test_the_quick_way_says_the_same_where_all_may_stay(given_: Fields) -> None:
    fields, request_id = ensure_ids(given_, same)
    made = kept_ids(given_, same)
    if made is None:  # something has to be replaced or left out
        assert fields[: len(given_)] != given_
        return
    assert fields == [*given_, *made.fields]
    assert made.request_id == request_id
    assert made.lines == b"".join(b"%b: %b\r\n" % field for field in made.fields)


def test_without_any_a_request_has_one_number_for_both_names() -> None:
    made = kept_ids((), lambda _: 1 << 127)
    assert made is not None
    assert made.request_id == "8" + "0" * 31
    assert made.fields[1] == (b"traceparent", b"00-8" + b"0" * 31 + b"-" + b"0" * 16 + b"-01")


def test_an_id_is_never_zero_in_all_its_digits() -> None:
    """A trace of zeros is none (W3C Trace Context 3.2.2.3)."""

    def zero(_: int) -> int:
        return 0

    for made in (new_ids(zero), kept_ids([(b"X-Request-Id", b"a")], zero)):
        assert made is not None
        assert made.fields[-1][1] != b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"
    made = kept_ids([(b"X-Request-Id", b"a")], zero)
    assert made is not None
    assert made.fields == ((b"traceparent", b"00-%032x-0000000100000000-01" % 1),)


def always(number: int) -> Callable[[int], int]:
    return lambda _: number


def test_a_share_of_the_traces_that_begin_here_is_sampled() -> None:
    half = sampled_of(0.5)
    for number, flags in ((1 << 62, b"01"), (3 << 62, b"00")):
        bits = always(number)
        made = new_ids(bits, half)
        kept = kept_ids([(b"X-Request-Id", b"a")], bits, half)
        assert kept is not None
        ensured, _ = ensure_ids([(b"A", b"1")], bits, half)
        traces = [made.fields[1][1], kept.fields[0][1], ensured[-1][1]]
        assert [trace[-2:] for trace in traces] == [flags] * 3
    assert new_ids(lambda _: (1 << 128) - 1).fields[1][1][-2:] == b"01"


@pytest.mark.parametrize("name", [None, (b"X-Request-Id", b"a"), (b"traceparent", TRACE)])
def test_the_trace_is_told_unless_the_request_is_called_the_same(
    name: tuple[bytes, bytes] | None,
) -> None:
    given_ = [] if name is None else [name]
    made = kept_ids(given_)
    assert made is not None
    (trace,) = [value for key, value in (*given_, *made.fields) if key == b"traceparent"]
    assert made.trace == (trace if given_ else b"")
    assert given_ or made.request_id == trace[3:35].decode()
