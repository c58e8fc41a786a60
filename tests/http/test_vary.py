"""What selects one of several replies."""

import pytest

from proxy.http.vary import ANY, MOST, selecting_names, selecting_value


def test_names_without_a_comma_between_them_are_names() -> None:
    assert selecting_names([b"Accept X-Foo\tX-Bar, *"]) == [b"accept", b"x-foo", b"x-bar", b"*"]


def test_too_many_names_are_everything() -> None:
    names = [b"x%d" % number for number in range(MOST + 1)]
    assert selecting_names([b", ".join(names[1:]), names[1]]) == names[1:]
    assert selecting_names([b", ".join(names)]) == [ANY]


def test_names_are_found_once_whatever_their_case() -> None:
    assert selecting_names([b"Accept, foo", b"FOO, *, ,"]) == [
        b"accept",
        b"foo",
        b"*",
    ]


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        (b"foo", [b"1, 2"], [b"1", b"2"], True),
        (b"foo", [b"1,2"], [b" 1 ,\t2 "], True),
        (b"foo", [b"a"], [b"A"], False),
        (b"foo", [b"1, 2"], [b"2, 1"], False),
        (b"foo", [], [b""], False),
        (b"foo", [b'"a, b"'], [b'"a,b"'], False),  # within quotes a blank counts
        (b"foo", [b"10,"], [b",10"], False),  # members without anything may mean something
        (b"foo", [b"1,,2"], [b"1,2"], False),
        (b"foo", [b"1,,2"], [b"1 , ,2"], True),
        (b"foo", [b"1", b"", b"2"], [b"1,2"], False),
        (b"foo", [b","], [b""], False),
        (b"foo", [b'"a , b'], [b'"a,b'], False),
        (b"accept-encoding", [b",gzip,,br,"], [b"gzip", b"br"], True),
        (b"accept", [b"text/HTML;Q=0.5, */*"], [b"TEXT/html;q=0.5,*/*"], True),
        (b"accept", [b'a/b;p="/Foo, A"'], [b'a/b;p="/foo, A"'], False),
        (b"accept", [b'a/b;p="/Foo, A"'], [b'A/B;P="/Foo, A"'], True),
        (b"accept", [b'a/b;p="\\"A"'], [b'a/b;p="\\"a"'], False),
        (b"accept", [b"a/b;p=A"], [b"a/b;p=a"], False),
        (b"accept", [b"a/b;p=A, C/D"], [b"a/b;p=A,c/d"], True),
        (b"accept", [b'a/b;p="A'], [b'a/b;p="a'], False),
        (b"accept-language", [b"en, de"], [b"eN,DE"], True),
        (b"accept-language", [b"en, de"], [b"de, en"], False),
        (b"accept-encoding", [b"gzip, br"], [b"GZIP,br"], True),
        (b"cookie", [b"a=1"], [b"a=2"], False),
    ],
    ids=range(24),
)
def test_what_means_the_same_is_the_same(
    name: bytes, one: list[bytes], other: list[bytes], same: bool
) -> None:
    first, second = (
        selecting_value([(name.title(), value) for value in lines], name) for lines in (one, other)
    )
    assert (first == second) is same
