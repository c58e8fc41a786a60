"""References to the environment in other spellings."""

from typing import Any

import pytest

from proxy.config.unexpanded import other_reference, unexpanded


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("$TOKEN", "TOKEN"),
        ("$(TOKEN)", "TOKEN"),
        ("%TOKEN%", "TOKEN"),
        ("{{ env.TOKEN }}", "TOKEN"),
        ("env:TOKEN", "TOKEN"),
        ("{env.TOKEN}", "TOKEN"),
        ("{$TOKEN}", "TOKEN"),
        ("a $TOKEN", ""),
        ("$host", ""),
        ("$$TOKEN", ""),
        ("%2F%41%", ""),
    ],
)
def test_the_variable_of_another_spelling_is_found(text: str, name: str) -> None:
    assert other_reference(text) == name


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ({"server": {"listen": "$LISTEN"}}, '"${LISTEN}"'),
        ({"list": ["a", "%NAME%"]}, '"${NAME}"'),
        ({"request_headers": {"set": {"X-A": "$remote_addr"}}}, '"{client_addr}"'),
        ({"credentials": {"value": "Bearer {env.TOKEN}"}}, '"${TOKEN}"'),
        ({"credentials": {"value": "Bearer $token"}}, '"${NAME}"'),
    ],
)
def test_it_is_warned_of(raw: Any, meant: str) -> None:
    [finding] = unexpanded(raw)
    assert finding.message.endswith(f"did you mean {meant}?") or meant in finding.message


@pytest.mark.parametrize(
    "raw",
    [{"path_regex": "/a$B"}, {"replacement": "/$NAME"}, {"value": "sesame$KEYmore"}, {"a": 1}],
)
def test_a_dollar_with_a_meaning_of_its_own_is_not(raw: Any) -> None:
    assert list(unexpanded({"credentials": raw})) == []
