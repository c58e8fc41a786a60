"""What two requests have to share."""

from proxy.http.equivalence import comparable_fields


def test_case_and_order_of_names_do_not_matter_and_the_order_of_values_does() -> None:
    one = [(b"B", b"1"), (b"a", b"2"), (b"b", b"3")]
    other = [(b"A", b"2"), (b"b", b"1"), (b"B", b"3")]
    assert comparable_fields(one) == comparable_fields(other)
    assert comparable_fields(one) != comparable_fields([(b"a", b"2"), (b"b", b"3"), (b"b", b"1")])


def test_fields_that_only_trace_are_left_out() -> None:
    fields = [(b"TraceParent", b"1"), (b"X-Request-Id", b"2"), (b"Via", b"3"), (b"Cookie", b"4")]
    assert comparable_fields(fields) == ((b"cookie", b"4"),)


def test_what_is_left_out_can_be_chosen() -> None:
    fields = [(b"Via", b"3"), (b"Cookie", b"4")]
    assert comparable_fields(fields, frozenset({b"cookie"})) == ((b"via", b"3"),)


def test_of_forwarded_the_address_counts_that_was_asked() -> None:
    def said(value: bytes) -> object:
        return comparable_fields([(b"Forwarded", value), (b"Accept", b"*/*")])

    usual = said(b"for=192.0.2.1;host=a.test;proto=https")
    assert said(b"for=192.0.2.2;host=a.test;proto=https") == usual
    assert said(b"for=192.0.2.1;by=_x;host=a.test;proto=https") == usual
    assert said(b"for=192.0.2.1;host=b.test;proto=https") != usual
    assert said(b'for=192.0.2.1;Host="a.test:81";proto=https') != usual
    assert said(b"for=192.0.2.1;host=a.test;proto=http") != usual
    assert said(b"for=192.0.2.1") != usual
