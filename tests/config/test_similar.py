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
        ("uhealthy_threshold", "healthy_threshold unhealthy_threshold", "unhealthy_threshold"),
        ("trusted_proxy", "trusted_proxies proxy_protocol", "trusted_proxies"),
        ("retry_methods", "attempts methods on", "methods"),
        ("num_workers", "workers listen", "workers"),
        ("worker_count", "workers listen", "workers"),
        ("listen_addr", "workers listen", "listen"),
        ("retry_on", "attempts on", ""),
        ("req_headers", "request_headers response_headers", "request_headers"),
        ("resp_header", "request_headers response_headers", "response_headers"),
        ("header_timeout", "request_headers_timeout keepalive_timeout", "request_headers_timeout"),
        ("avg", "average burst", "average"),
        ("lvl", "level access", "level"),
        ("ebale", "enable", "enable"),
        ("max_ejection", "max_ejection_a_1 max_ejection_b_2 max_ejection_c_3", ""),
        ("listen_workers", "listen workers", ""),
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


def test_of_two_that_are_as_near_both_are_named() -> None:
    both = ", did you mean 'max_size' or 'min_size'?"
    assert suggestion("m_size", ["min_size", "max_size"]) == both
    both = ", did you mean 'max_ejection_percent' or 'max_ejection_time'?"
    known = ["max_ejection_time", "max_ejection_percent", "base_ejection_time"]
    assert suggestion("max_ejection", known) == both


def test_a_word_without_end_is_not_looked_at() -> None:
    assert suggestion("a" * 101, ["a" * 100]) == ""


def test_a_part_of_a_word_may_mean_something_else() -> None:
    assert suggestion("round", ["round_robin"], parts=False) == ""


def test_signs_and_capitals_do_not_matter() -> None:
    assert plain("Max-Body_size") == "maxbodysize"


def test_a_word_in_other_letters_is_like_none() -> None:
    assert suggestion("ééé", ["èèè", "path"]) == ""
