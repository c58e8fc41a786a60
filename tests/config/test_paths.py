"""Paths and patterns that match something else than was meant."""

from typing import Any

import msgspec
import pytest

from proxy.config.model import Route
from proxy.config.paths import path_doubts, path_meant


def doubts(**options: Any) -> list[str]:
    route = msgspec.convert({"upstream": "api", **options}, Route)
    return [finding.message for finding in path_doubts(route, options, ("routes", 0))]


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"path": "/v1/*"}, "did you mean '/v1', which takes all below it?"),
        ({"path": "/a/{id}/b"}, "did you mean path_regex = '/a/[^/]+/b'?"),
        ({"path": "/a/.*"}, "did you mean path_regex = '/a/.*'?"),
        ({"path": "/v1", "strip_prefix": "/v2"}, "so nothing is stripped"),
        ({"path_regex": "items/[0-9]+"}, "did you mean '/items/[0-9]+'?"),
        ({"path_regex": "/a\\?b"}, "so no ? is ever found"),
        ({"path_regex": "^/a"}, "did you mean '^/a(/.*)?'?"),
        ({"path_regex": "^/wp-(admin|login)"}, "did you mean '^/wp-(admin|login)(/.*)?'?"),
        ({"path_regex": "\\.php$"}, "so this never matches, did you mean '.*\\.php$'?"),
        ({"path_regex": "~* \\.png$"}, "so this never matches, did you mean '.*\\.png$'?"),
        ({"path_regex": "~ /a.*"}, "so this never matches, did you mean '/a.*'?"),
        ({"path_regex": "(v1|v2)/.*"}, "so this never matches, did you mean '.*(v1|v2)/.*'?"),
        ({"path_regex": "^\\.php"}, "a path begins with a slash, so this never matches"),
        ({"path_regex": "^$"}, "a path begins with a slash, so this never matches"),
        ({"path_regex": "/a b"}, "matched with its escapes, did you mean '/a%20b'?"),
        ({"path_regex": "/[a ]+"}, "matched with its escapes"),
        ({"path_regex": "/\u00e4?x"}, "matched with its escapes"),
        ({"path_regex": "/\u00e4.*"}, "matched with its escapes, did you mean '/%C3%A4.*'?"),
        ({"path_regex": "/v1/*"}, "did you mean '/v1/.*'?"),
        ({"rewrite": {"pattern": "^/a b", "replacement": "/"}}, "did you mean '^/a%20b'?"),
        ({"rewrite": {"pattern": "/a(.)", "replacement": "/$1"}}, "did you mean '/\\1'?"),
        (
            {"rewrite": {"pattern": "^/a(/.*)", "replacement": "https://b.test/c\\1"}},
            "did you mean '/c\\1'?",
        ),
        ({"rewrite": {"pattern": "/a", "replacement": "https://b.test"}}, "nothing redirects"),
    ],
)
def test_what_cannot_be_meant_is_doubted(options: dict[str, Any], end: str) -> None:
    [message] = doubts(**options)
    assert message.endswith(end)


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/v1"},
        {"path": "/v1", "strip_prefix": "/v1"},
        {"path_regex": "/items/(\\d+)"},
        {"path_regex": ".*\\.php$"},
        {"path_regex": "(?i)/A|/b"},
        {"path_regex": "[^.]+"},
        {"path_regex": "/[^ ]+"},
        {"path_regex": "/[^\u00e4 /]*/\\[b"},
        {"path_regex": "(/v1|/v2)(/.*)?"},
        {"path_regex": "^/a/(b|c)$"},
        {"path_regex": "/a/(b|c)"},
        {"path_regex": "^/a/([0-9]+)"},
        {"rewrite": {"pattern": "^/a(.)", "replacement": "/\\1"}},
        {"rewrite": {"pattern": "https:/([^/])", "replacement": "https://\\1"}},
        {"rewrite": {"pattern": "^/a/", "replacement": "/https://b.test/"}},
    ],
)
def test_what_works_is_not_doubted(options: dict[str, Any]) -> None:
    assert doubts(**options) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v1", ", did you mean '/v1'?"),
        ("*", ", did you mean '/'?"),
        ("~ ^/a", ", did you mean path_regex = '/a'?"),
        ("= /v1.0", r", did you mean path_regex = '/v1\.0'?"),
        ("^~ /v1", ", did you mean '/v1'?"),
        ("https://a.test:8/b", ", did you mean host = 'a.test' and path = '/b'?"),
        ("/v1", ""),
    ],
)
def test_a_path_without_its_slash_is_answered_with_one(text: str, meant: str) -> None:
    assert path_meant(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v1", ", did you mean '/v1'?"),
        ("http://x/y", "; a server stands in [[upstreams]], did you mean '/y'?"),
        ("http://x", "; a server stands in [[upstreams]]"),
        ("= /v1", ", did you mean '/v1'?"),
        ("^/v1", ", did you mean '/v1'?"),
        ("~ ^/v[12]", ""),
    ],
)
def test_a_prefix_is_never_answered_with_an_option_of_a_path(text: str, meant: str) -> None:
    assert path_meant(text, "add_prefix") == meant
