"""What a route may change, as the configuration has it."""

from pathlib import Path

import pytest

from proxy.config.load import check
from proxy.config.model import Config, Route
from proxy.middleware.rewrite.options import Changes, HeaderRules
from tests.support.proxy import parsed

ROUTE = """
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:9"]
[[routes]]
upstream = "api"
"""


def route(text: str) -> Route:
    config: Config = parsed(ROUTE + text)
    return config.routes[0]


def test_a_route_has_all_that_rewriting_reads() -> None:
    assert isinstance(route(""), Changes)


def test_without_a_word_nothing_is_changed_but_what_a_changed_path_asks_for() -> None:
    plain = route("")
    assert (plain.strip_prefix, plain.add_prefix, plain.rewrite) == ("", "", None)
    assert (plain.request_headers, plain.response_headers) == (None, None)
    assert plain.rewrite_location


def test_rules_are_read_as_they_are_written() -> None:
    rules = route('request_headers = { set = { A = "1" }, add = { B = "2" }, remove = ["C"] }')
    assert rules.request_headers == HeaderRules(set={"A": "1"}, add={"B": "2"}, remove=("C",))
    assert HeaderRules() == HeaderRules(set={}, add={}, remove=())


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('rewrite = { pattern = "a" }', "rewrite", "replacement"),
        ('rewrite = { pattern = "(", replacement = "b" }', "rewrite.pattern", ""),
        ('rewrite = { pattern = "a", replacement = "\\\\2" }', "rewrite.replacement", ""),
        ('strip_prefix = "v1"', "strip_prefix", "must begin with"),
        ('add_prefix = "/a?b"', "add_prefix", "query"),
        ('response_headers = { sett = { A = "1" } }', "response_headers", "'set'"),
        ('request_headers = { set = { "A B" = "1" } }', 'request_headers.set."A B"', "name"),
        ('response_headers = { remove = ["Date"] }', "response_headers.remove", "RFC 9110"),
    ],
)
def test_what_cannot_work_is_said_with_its_place(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(ROUTE + text)
    said = [str(problem) for problem in check(str(file))]
    assert len(said) == 1, said
    assert f"routes[0].{place}" in said[0]
    assert words in said[0]
