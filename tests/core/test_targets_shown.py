"""Targets in the access log: the short look at usual ones finds what the long one finds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.secret_parameters import PARAMETERS, plain_name
from proxy.core.targets_shown import Targets

SHOWN = Targets(["Mine", "a/b"])
HIDDEN = PARAMETERS | {b"mine", b"a/b"}

pieces = st.sampled_from(
    [
        b"/",
        b"?",
        b"#",
        b"&",
        b";",
        b"=",
        b"token",
        b"to%6Ben",
        b"TOKEN[]",
        b"mine",
        b"a/b",
        b"x",
        b"1",
        b"%",
    ]
)


def slowly(target: bytes) -> bytes:
    """Part by part: of the query, and of a path that has parameters."""
    path, mark, query = target.partition(b"?")
    if b";" in path or b"#" in path:
        path = b"".join(map(part, re.split(rb"([;/#&])", path)))
    return path + mark + b"".join(map(member, re.split(rb"([&#])", query)))


def member(text: bytes) -> bytes:
    """What begins with the first secret that is not empty is hidden."""
    for found in re.finditer(rb"(?:\A|(?<=[;?]))([^;?=]*)=", text):
        if plain_name(found[1]) in HIDDEN and found.end() < len(text):
            return text[: found.end()] + b"***"
    return text


def part(text: bytes) -> bytes:
    name, equals, value = text.partition(b"=")
    return name + b"=***" if equals and value and plain_name(name) in HIDDEN else text


@given(st.lists(pieces, max_size=14).map(lambda parts: b"/" + b"".join(parts)))
def test_every_parameter_is_found(target: bytes) -> None:
    assert SHOWN.show(target) == slowly(target)


def test_the_same_name_is_hidden_each_time() -> None:
    for _ in range(3):
        assert SHOWN.show(b"/a?page=2&token=secret") == b"/a?page=2&token=***"
        assert SHOWN.show(b"/a?page=2&limit=3") == b"/a?page=2&limit=3"


def test_an_ampersand_in_the_path_does_not_show_what_follows() -> None:
    assert SHOWN.show(b"/a&b?token=secret") == b"/a&b?token=***"
    assert SHOWN.show(b"/&?x=1&token=secret") == b"/&?x=1&token=***"


@pytest.mark.parametrize("sign", [b"?", b";"])
def test_all_of_a_secret_is_hidden_whatever_stands_in_it(sign: bytes) -> None:
    secret = b"first" + sign + b"is=second" + sign + b"third"
    assert SHOWN.show(b"/a?token=" + secret + b"&b=1") == b"/a?token=***&b=1"
    assert SHOWN.show(b"/a?token=" + sign + secret) == b"/a?token=***"
    assert SHOWN.show(b"/a?b=1" + sign + b"token=" + secret) == b"/a?b=1" + sign + b"token=***"


def test_dashes_in_a_name_are_underlines() -> None:
    shown = Targets(["my-own"]).show(b"/a?my_own=1&MY-OWN=2&access-token=3&api-key=4&my=5")
    assert shown == b"/a?my_own=***&MY-OWN=***&access-token=***&api-key=***&my=5"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/a?x#token=secret", b"/a?x#token=***"),
        (b"/a#token=secret", b"/a#token=***"),
        (b"/a#x=1&token=secret", b"/a#x=1&token=***"),
        (b"/a?url=http%3A%2F%2Fh%2F%3Ftoken%3Dsecret&b=1", b"/a?url=***&b=1"),
        (b"/a?url=http%253A%252F%252Fh%252F%253Ftoken%253Dsecret", b"/a?url=***"),
        (b"/a?url=token%3dsecret", b"/a?url=***"),
        (b"/a?next=/b%3Fx=1%26token=secret&b=1", b"/a?next=***&b=1"),
        (b"/a?next%26token=secret", b"/a?next%26token=***"),
        (b"/a?token%3Dsecret", b"/a?***"),
        (b"/a?q=AT%26T&r=a%3Fb=c", b"/a?q=AT%26T&r=a%3Fb=c"),
        (b"/a?url=http%3A%2F%2Fh%2F%3Fpage%3D2", b"/a?url=http%3A%2F%2Fh%2F%3Fpage%3D2"),
        (b"/a?token=s%3D%3D&data=YWJj%3D%3D", b"/a?token=***&data=YWJj%3D%3D"),
    ],
)
def test_a_credential_in_a_fragment_or_in_a_url_within_a_parameter_is_hidden(
    target: bytes, shown: bytes
) -> None:
    assert SHOWN.show(target) == shown


@given(st.lists(st.lists(pieces | st.sampled_from([b"\n", b"@", b"%40", b"%3D"]), max_size=8)))
def test_what_is_left_as_it_is_would_be_shown_so(parts: list[list[bytes]]) -> None:
    targets = [b"/" + b"".join(each) for each in parts]
    if SHOWN.leaves(targets):
        assert [SHOWN.show(target) for target in targets] == targets


def test_usual_targets_are_left_at_one_look() -> None:
    usual = [b"/", b"/a%20b", b"/a?page=2&limit=3", b"/a?", b"/a?page"]
    assert SHOWN.leaves(usual)
    assert SHOWN.leaves([])
    odds = [b"", b"*", b"a:443", b"/a?token=1", b"/a;b=1", b"/a?u=http://x", b"/@", b"/?a%3db"]
    odds += [b"/a?u=https%3A%2F%2Fuser:pw%40h", b"/a?u=https%3A%2F%2Fuser:pw@h", b"/a?x=1#token=pw"]
    for odd in odds:
        assert not SHOWN.leaves([*usual, odd])
        assert not SHOWN.leaves([odd, *usual])
