"""Rules for fields that do what is hardly meant are warned of."""

from pathlib import Path

import pytest

from tests.support.checking import said

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = API + '[[routes]]\nupstream = "api"\n'
LIMIT = "[rate_limit]\naverage = 2\nkey = '{}'\n" + ROUTE


@pytest.mark.parametrize("rules", ["request_headers.set", "response_headers.add"])
def test_a_field_with_nothing_in_it_is_not_taken_away(tmp_path: Path, rules: str) -> None:
    [line] = said(tmp_path, f"{ROUTE}{rules}.X-Debug = ' '")
    assert line == (
        f"routes[0].{rules}.X-Debug: warning: "
        "the field is sent with nothing in it: remove takes a field away"
    )


def test_a_field_that_says_something_with_nothing_in_it_is_not_doubted(tmp_path: Path) -> None:
    assert said(tmp_path, f"{ROUTE}request_headers.set.Accept-Encoding = ''") == []


def test_a_value_that_the_environment_may_give_is_not_doubted(tmp_path: Path) -> None:
    assert said(tmp_path, f"{ROUTE}request_headers.set.X-Env = '${{STAGE:-}}'") == []


@pytest.mark.parametrize(
    ("before", "rules", "warned"),
    [
        ("", "request_headers.set.X-Forwarded-Proto = 'https'", True),
        ("", "request_headers.set.x_forwarded_proto = 'https'", True),
        (
            "[server]\nforwarded = 'forwarded'\n",
            "request_headers.set.X-Forwarded-Proto = 'a'",
            True,
        ),
        ("[server]\nforwarded = 'x'\n", "request_headers.set.X-Forwarded-Proto = 'a'", False),
        (
            "",
            "request_headers = { remove = ['forwarded'], set = { X-Forwarded-Proto = 'https' } }",
            False,
        ),
        (
            "",
            "request_headers.set = { X-Forwarded-Proto = 'https', Forwarded = 'proto=https' }",
            False,
        ),
        ("", "response_headers.set.X-Forwarded-Proto = 'https'", False),
    ],
)
def test_two_fields_that_say_another_scheme_each(
    tmp_path: Path, before: str, rules: str, *, warned: bool
) -> None:
    lines = said(tmp_path, before + ROUTE + rules)
    assert ['forwarded = "x", or remove = ["Forwarded"]' in line for line in lines] == [
        True
    ] * warned


@pytest.mark.parametrize(
    ("key", "rules", "warned"),
    [
        ("cookie:sid", "remove = ['Cookie']", True),
        ("header:X-Who", "remove = ['X-Who'], add = { X-Who = '{client_addr}' }", False),
        ("header:X-Who", "remove = ['X-Who'], set = { X-Who = '{client_addr}' }", False),
        ("header:X-Who", "set = { X-Who = 'me' }", True),
        ("path", "remove = ['path']", False),
    ],
)
def test_a_limit_for_each_client_counts_by_what_is_still_there(
    tmp_path: Path, key: str, rules: str, *, warned: bool
) -> None:
    lines = said(tmp_path, f"{LIMIT.format(key)}request_headers = {{ {rules} }}")
    assert ["so all are one client" in line for line in lines] == [True] * warned
