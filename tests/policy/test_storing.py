"""Which replies may be stored."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.policy.freshness import HEURISTIC, Lifetime
from proxy.policy.storing import (
    Facts,
    forbidden,
    freshness,
    is_public,
    may_answer_authorized,
    stays,
    why_not_stored,
)

SAID = Lifetime(60.0, explicit=True)
SILENT = Lifetime(0.0, explicit=False)


def facts(**changes: Any) -> Facts:
    """Of a 200 that is fresh for a minute."""
    usual = Facts(200, {b"max-age": b"60"}, SAID, False, False, False, False, False)
    return replace(usual, **changes)


def said(*names: bytes) -> dict[bytes, bytes | None]:
    return {b"max-age": b"60"} | dict.fromkeys(names)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (facts(), ""),
        (facts(no_store=True), "request-no-store"),
        (facts(directives=said(b"no-store")), "no-store"),
        (facts(directives=said(b"private")), "private"),
        (facts(directives=said() | {b"private": b"x"}), ""),
        (facts(varies_on_all=True), "vary"),
        (facts(authorized=True), "authorization"),
        (facts(authorized=True, directives=said(b"public")), ""),
        (facts(authorized=True, directives=said(b"must-revalidate")), ""),
        (facts(authorized=True, directives={b"s-maxage": b"60"}), ""),
        (facts(sets_cookie=True), ""),
        (facts(sets_cookie=True, lifetime=Lifetime(60.0, explicit=False)), "set-cookie"),
        (facts(status=206), "status"),
        (facts(status=304), "status"),
        (facts(status=401), "status"),
        (facts(status=503), ""),
        (facts(status=599), ""),
        (facts(status=599, directives=said(b"must-understand")), "must-understand"),
        (facts(directives=said(b"must-understand", b"no-store")), ""),
        (facts(status=201, lifetime=SILENT, directives={}), "status"),
        (facts(lifetime=SILENT, directives={}), "no-freshness"),
        (facts(lifetime=SILENT, directives={}, has_validator=True), ""),
        (facts(directives=said(b"no-cache")), "no-freshness"),
        (facts(directives=said(b"no-cache"), has_validator=True), ""),
        (facts(lifetime=Lifetime(0, explicit=True), directives={b"max-age": b"0"}), "no-freshness"),
        (
            facts(
                lifetime=Lifetime(0, explicit=True),
                directives={b"max-age": b"0", b"stale-while-revalidate": b"9"},
            ),
            "",
        ),
    ],
    ids=range(26),
)
def test_a_word_says_why_not(found: Facts, why: str) -> None:
    assert why_not_stored(found) == why


def test_an_error_that_stays() -> None:
    assert stays({}, 503, SAID, age=59, unchanged=0)
    assert not stays({}, 503, SAID, age=60, unchanged=0)
    assert not stays({}, 503, Lifetime(60.0, explicit=False), age=0, unchanged=60)
    assert stays({}, 503, SILENT, age=0, unchanged=61)
    assert stays({b"private": b"x", b"no-cache": b"x"}, 503, SAID, age=0, unchanged=0)
    for name in (b"no-store", b"private", b"no-cache"):
        assert not stays({name: None}, 503, SAID, age=0, unchanged=61)


@pytest.mark.parametrize(("status", "understood"), [(503, True), (520, False)])
def test_an_error_that_has_to_be_understood_stays_where_it_is(
    status: int, *, understood: bool
) -> None:
    said = {b"must-understand": None}
    assert stays(said, status, SAID, age=0, unchanged=0) is understood
    assert stays({**said, b"no-store": None}, status, SAID, age=0, unchanged=0) is understood


def test_what_options_let_outlive_its_freshness_is_stored() -> None:
    silent = facts(lifetime=SILENT, directives={})
    assert why_not_stored(silent, if_error=60) == ""
    assert why_not_stored(silent, while_revalidate=60) == ""
    assert why_not_stored(replace(silent, status=501), if_error=60) == "no-freshness"
    strict = facts(lifetime=SILENT, directives={b"must-revalidate": None})
    assert why_not_stored(strict, if_error=60) == "no-freshness"


def test_what_a_reply_says_counts_before_the_options() -> None:
    times = {"initial_age": 0.0, "received_at": 0.0}
    options = {"if_error": 60.0, "while_revalidate": 60.0}
    own = {b"stale-if-error": b"5", b"stale-while-revalidate": b"0"}
    found = freshness(own, 200, SAID, **times, **options)
    assert (found.if_error, found.while_revalidate) == (5, 0)
    found = freshness({}, 200, SAID, **times, **options)
    assert (found.if_error, found.while_revalidate) == (60, 60)
    found = freshness({}, 500, SAID, **times, **options)
    assert (found.if_error, found.while_revalidate) == (0, 0)
    for name in (b"must-revalidate", b"proxy-revalidate", b"s-maxage"):
        assert freshness({name: None}, 200, SAID, **times).must_revalidate
    assert freshness({b"no-cache": None}, 200, SAID, **times).always_validate
    assert not freshness({b"no-cache": b"x"}, 200, SAID, **times).always_validate


@pytest.mark.parametrize(
    ("name", "everybody", "authorized"),
    [
        (b"public", True, True),
        (b"s-maxage", True, True),
        (b"must-revalidate", False, True),
        (b"max-age", False, False),
        (b"proxy-revalidate", False, False),
    ],
    ids=range(5),
)
def test_who_may_have_it(name: bytes, everybody: bool, authorized: bool) -> None:
    assert is_public({name: b"9"}) is everybody
    assert may_answer_authorized({name: b"9"}, public=is_public({name: b"9"})) is authorized


@pytest.mark.parametrize("value", [None, b"", b"x", b"-1", b"1.5"])
def test_an_s_maxage_without_a_number_opens_nothing(value: bytes | None) -> None:
    assert not is_public({b"s-maxage": value})
    assert not is_public({b"s-maxage": value})


names = st.sampled_from(
    b"public private no-store no-cache must-revalidate s-maxage must-understand".split()
)


@given(
    st.integers(100, 599),
    st.dictionaries(names, st.none()),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_what_is_stored_breaks_no_rule(  # noqa: PLR0917
    status: int,
    directives: dict[bytes, bytes | None],
    no_store: bool,
    authorized: bool,
    sets_cookie: bool,
    has_validator: bool,
) -> None:
    found = Facts(
        status, directives, SILENT, no_store, authorized, False, sets_cookie, has_validator
    )
    if why_not_stored(found, if_error=60.0):
        return
    assert not no_store
    assert b"private" not in directives
    assert b"no-store" not in directives or b"must-understand" in directives
    assert not authorized or directives.keys() & {b"public", b"s-maxage", b"must-revalidate"}
    assert not sets_cookie or directives.keys() & {b"public", b"s-maxage"}
    assert status in HEURISTIC - {206} or b"public" in directives


@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        ({b"no-store": None}, 200, "no-store"),
        ({b"private": None}, 200, "private"),
        ({b"private": b"set-cookie"}, 200, ""),
        ({b"must-understand": None, b"no-store": None}, 200, ""),
        ({b"must-understand": None, b"no-store": None}, 299, "must-understand"),
        ({b"must-understand": None, b"private": None}, 200, "private"),
    ],
)
def test_what_a_reply_forbids(said: dict[bytes, bytes | None], status: int, why: str) -> None:
    assert forbidden(said, status) == why
