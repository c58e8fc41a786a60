"""What a route sets, adds and removes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.middleware.rewrite.field_rules import FieldRules
from proxy.middleware.rewrite.options import HeaderRules

Fields = list[tuple[bytes, bytes]]

KNOWN = {"client_addr": "192.0.2.1", "request_id": "abc", "host": "api.test"}
FIELDS: Fields = [(b"A", b"1"), (b"X-B", b"caf\xe9"), (b"x-b", b"2"), (b"C", b"")]


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        (HeaderRules(), FIELDS),
        (HeaderRules(remove=("X-b",)), [FIELDS[0], FIELDS[3]]),
        (HeaderRules(remove=("None",)), FIELDS),
        (HeaderRules(set={"x-B": "3"}), [FIELDS[0], (b"x-B", b"3"), FIELDS[3]]),
        (HeaderRules(set={"D": "4"}), [*FIELDS, (b"D", b"4")]),
        (HeaderRules(add={"A": "5"}), [*FIELDS, (b"A", b"5")]),
        (
            HeaderRules(remove=("C",), set={"A": "6"}, add={"A": "7", "c": "8"}),
            [(b"A", b"6"), *FIELDS[1:3], (b"A", b"7"), (b"c", b"8")],
        ),
    ],
)
def test_fields_are_removed_then_set_then_added(rules: HeaderRules, fields: Fields) -> None:
    ready = FieldRules(rules)
    assert ready.apply(FIELDS, KNOWN) == ready.apply(FIELDS, KNOWN) == fields


CGI: Fields = [(b"X_User", b"1"), (b"A", b"2"), (b"x-user", b"3"), (b"TRUE_client-IP", b"4")]


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        (HeaderRules(set={"X-User": "5"}), [(b"X-User", b"5"), CGI[1], CGI[3]]),
        (HeaderRules(set={"x_user": "5"}), [(b"x_user", b"5"), CGI[1], CGI[3]]),
        (HeaderRules(remove=("True-Client-IP",)), CGI[:3]),
        (HeaderRules(remove=("x_user",)), [CGI[1], CGI[3]]),
        (HeaderRules(add={"X-User": "5"}), [*CGI, (b"X-User", b"5")]),
    ],
)
def test_rules_for_requests_find_a_field_in_any_writing(rules: HeaderRules, fields: Fields) -> None:
    ready = FieldRules(rules, of_requests=True)
    assert ready.apply(CGI, KNOWN) == ready.apply(CGI, KNOWN) == fields
    assert ready.names == {name for name in ready.names if b"_" not in name}


def test_rules_for_replies_leave_other_writings() -> None:
    rules = FieldRules(HeaderRules(set={"X-User": "5"}, remove=("True-Client-IP",)))
    assert rules.apply(CGI, KNOWN) == [CGI[0], CGI[1], (b"X-User", b"5"), CGI[3]]
    FieldRules(HeaderRules(set={"X-User": "5", "X_User": "6"}))
    with pytest.raises(ValueError, match="twice"):
        FieldRules(HeaderRules(set={"X-User": "5", "X_User": "6"}), of_requests=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{client_addr}", b"192.0.2.1"),
        ("for={client_addr}, id={request_id}; {host}", b"for=192.0.2.1, id=abc; api.test"),
        ("{{host}}", b"{host}"),
        ("{{{host}}}", b"{api.test}"),
        ('{{"a": 1}}', b'{"a": 1}'),
        ("", b""),
        (" x ", b"x"),
        ("é", "é".encode()),
    ],
)
def test_values_know_their_variables(text: str, value: bytes) -> None:
    assert FieldRules(HeaderRules(set={"A": text})).apply([], KNOWN) == [(b"A", value)]


@pytest.mark.parametrize(
    "rules",
    [
        *({"set": {"A": text}} for text in ("{user}", "{", "}", "{}", "{host", "{host!r}", "a\nb")),
        *({"add": {"A": text}} for text in ("a\x00b", "a\r\nB: c", "{HOST}", "\x7f.")),
        *({"set": {name: "x"}} for name in ("", "a b", "a:", "é", "a\n", "Host", "content-LENGTH")),
        *({"add": {name: "x"}} for name in ("Connection", "Transfer-Encoding", "TE")),
        *({"remove": (name,)} for name in ("Content-Length", "keep-alive", "a b")),
        {"set": {"A": "1", "a": "2"}},
    ],
)
def test_rules_that_cannot_be_kept_are_refused_at_start(rules: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        FieldRules(HeaderRules(**rules))  # type: ignore[arg-type]


def test_a_tab_may_stand_within_a_value() -> None:
    rules = FieldRules(HeaderRules(set={"A": " a\tb\t"}))
    assert rules.apply([], KNOWN) == [(b"A", b"a\tb")]


@given(st.text(max_size=20))
def test_no_message_breaks_out_of_its_line(text: str) -> None:
    rules = FieldRules(HeaderRules(set={"A": "<{host}>"}, add={"B": "{request_id}"}))
    for _, value in rules.apply([], dict.fromkeys(KNOWN, text)):
        assert not set(value) & {*range(9), *range(10, 32), 127}  # a tab may stand in a value


@given(st.lists(st.tuples(st.sampled_from([b"A", b"a", b"B", b"C"]), st.binary(max_size=4))))
def test_fields_that_no_rule_names_keep_order_and_bytes(some: Fields) -> None:
    rules = FieldRules(HeaderRules(set={"A": "1"}, remove=("B",), add={"D": "2"}))
    result = rules.apply(some, KNOWN)
    assert [field for field in result if field[0] == b"C"] == [f for f in some if f[0] == b"C"]
    assert [value for name, value in result if name.lower() == b"a"] == [b"1"]
    assert not any(name == b"B" for name, _ in result)
