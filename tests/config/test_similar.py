"""A slip of the keyboard is mended; another word is left alone."""

import pytest

from proxy.config.similar import plain, suggestion


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("atempts", "attempts on", "attempts"),
        ("ATTEMPTS", "attempts on", "attempts"),
        ("max-attempts", "max_attempts", "max_attempts"),
        ("hsot", "host path", "host"),
        ("listne", "listen", "listen"),
        ("first_bite", "first_byte", "first_byte"),
        ("pth", "path", "path"),
        ("round", "round_robin hash", "round_robin"),
        ("x", "attempts on", ""),
        ("os", "on", ""),
        ("timeout", "connect_timeout read_timeout", ""),
        # other words
        ("sticky", "strict", ""),
        ("mirror", "errors", ""),
        ("query", "retry", ""),
        ("acme", "cache", ""),
        ("nodelay", "delay", ""),
        ("hsts", "host", ""),
        ("server_tokens", "server_timing", ""),
        ("stats_prefix", "strip_prefix", ""),
        ("limit_rate", "body_min_rate", ""),
    ],
)
def test_the_word_that_was_mistyped_is_suggested(word: str, known: str, meant: str) -> None:
    assert suggestion(word, known.split()) == (f", did you mean {meant!r}?" if meant else "")


def test_of_several_the_nearest_one_is_suggested() -> None:
    assert suggestion("max_bodi", ["max_boxi", "max_body"]) == ", did you mean 'max_body'?"
    assert suggestion("max_bod", ["max_bxy", "max_body"]) == ", did you mean 'max_body'?"


def test_a_part_of_a_word_may_mean_something_else() -> None:
    assert suggestion("round", ["round_robin"], parts=False) == ""


def test_signs_and_capitals_do_not_matter() -> None:
    assert plain("Max-Body_size") == "maxbodysize"


def test_a_word_in_other_letters_is_like_none() -> None:
    assert suggestion("ééé", ["èèè", "path"]) == ""
