"""References to the environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.environment import substitute

ENVIRON = {
    "HOST": "api",
    "EMPTY": "",
    "PRICE": "$5 ${HOST}",
    "CAFE": b"caf\xe9".decode("utf-8", "surrogateescape"),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${HOST}", "api"),
        ("http://${HOST}:${PORT:-80}/", "http://api:80/"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${GONE:-}", ""),
        ("${GONE:-a:-b}", "a:-b"),
        ("$${HOST}", "${HOST}"),
        ("$$$$", "$$"),
        ("^/a$", "^/a$"),
        ("$HOST", "$HOST"),
        ("${PRICE}", "$5 ${HOST}"),  # what the environment holds is not read again
    ],
)
def test_a_reference_becomes_its_value(text: str, value: str) -> None:
    assert substitute({"key": [text]}, ENVIRON)[:2] == ({"key": [value]}, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${GONE}", "environment variable GONE is not set and has no default"),
        ("Bearer ${CAFE}", "environment variable CAFE is not UTF-8"),
        ("${CAFE:-tea}", "environment variable CAFE is not UTF-8"),
        ("${", "'${'"),
        ("${HOST", "'${HOST'"),
        ("${1X}", "'${1X}'"),
        ("${}", "'${}'"),
        ("${HOST:-${GONE:-x}}", "one ${} cannot stand within another"),
        ("${${HOST}}", "one ${} cannot stand within another"),
    ],
)
def test_what_has_no_value_is_reported_at_its_place(text: str, message: str) -> None:
    tree, [finding], _ = substitute({"a": [{"b": text}]}, ENVIRON)
    assert finding.place == ("a", 0, "b")
    assert message in finding.message
    assert tree == {"a": [{"b": text}]}


def test_an_argument_that_is_not_utf8_is_reported() -> None:
    tree, [finding], _ = substitute({"level": ENVIRON["CAFE"]}, {})
    assert finding == (("level",), "it is not UTF-8")
    assert tree == {"level": "caf?"}


@given(st.text())
def test_doubling_every_dollar_keeps_a_text_as_it_is(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == (text, [], {})


def test_only_strings_are_touched() -> None:
    tree = {"number": 3, "flag": True, "ratio": 0.5}
    assert substitute(tree, {}) == (tree, [], {})
