"""A suggestion is never what was given, and never refused itself."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import check
from proxy.config.tried import tried, without_suggestion
from proxy.core.findings import WARNING, Finding

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'


def suggested(folder: Path, text: str, *sets: str, **environ: str) -> list[str]:
    """The suggestions of ``check``, or the ends of messages that have none."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    messages = [problem.message for problem in check(file, environ, sets)]
    return [message.rpartition(", did you mean ")[2] for message in messages]


@pytest.mark.parametrize("word", ['"off"', '"no"', '"none"', '"disabled"', "0", "-1"])
@pytest.mark.parametrize("table", ["retry", "hedge", "cache", "errors"])
def test_a_table_that_is_not_wanted_is_false(tmp_path: Path, table: str, word: str) -> None:
    assert suggested(tmp_path, f"{table} = {word}\n{API}") == ["false?"]


@pytest.mark.parametrize("word", ["off", "no", "none", "disabled", "0"])
def test_so_it_is_on_the_command_line(tmp_path: Path, word: str) -> None:
    assert suggested(tmp_path, API, f"retry={word}") == ["false?"]


def test_a_table_that_cannot_be_switched_off_is_not_false(tmp_path: Path) -> None:
    assert suggested(tmp_path, f'log = "off"\n{API}') == ["expected a table, got 'off'"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("retry = 4\n", "retry = { attempts = 4 }?"),
        ("retry = 11\n", "expected a table or false, got 11"),
        ("[server]\nlisten = 8080.0\n", "expected a string, got 8080.0"),
        ('[server]\nlisten = "unix:/tmp/x\\u0000y"\n', r"got 'unix:/tmp/x\x00y'"),
        ('[server]\ntrusted_proxies = ["10.0.0.1, ::1"]\n', '["10.0.0.1", "::1"]?'),
        ('[timeouts]\nper_try = "AUTO"\n', '"auto"?'),
    ],
)
def test_what_would_be_refused_is_not_suggested(tmp_path: Path, text: str, meant: str) -> None:
    [found] = suggested(tmp_path, text + API)
    assert found.endswith(meant)


def test_a_server_that_is_in_the_list_already_is_not_suggested(tmp_path: Path) -> None:
    text = '[[upstreams]]\nname = "api"\nservers = ["http://a:1", "a:1", "b:1"]\n'
    first, second = suggested(tmp_path, text)
    assert first.endswith("got 'a:1'")
    assert second == "'http://b:1'?"


def test_an_upstream_that_has_failed_is_not_suggested_as_its_fallback(tmp_path: Path) -> None:
    text = API + '[[routes]]\nupstream = "api"\nfallback = "api"\n'
    assert suggested(tmp_path, text) == [
        "expected a list of upstreams, or { status, file }, got 'api'"
    ]


@pytest.mark.parametrize(
    ("fallback", "says"),
    [
        (
            '"b"',
            "expected a list of upstreams, or { status, file }, got 'b', did you mean [\"b\"]?",
        ),
        ('"c"', "expected a list of upstreams, or { status, file }, got 'c'"),
        ("503", "expected a list of upstreams, or { status, file }, got 503"),
        (
            '{ upstream = "b" }',
            "unknown option: upstreams that take over are a list of names, as in "
            'fallback = ["other"]',
        ),
        ('{ body = "sorry" }', "unknown option: expected file, with the body in it"),
    ],
)
def test_a_fallback_of_the_wrong_kind_is_told_what_it_may_be(
    tmp_path: Path, fallback: str, says: str
) -> None:
    file = tmp_path / "config.toml"
    route = f'[[routes]]\nupstream = "api"\nfallback = {fallback}\n'
    file.write_text(f"{API}{API.replace('api', 'b')}{route}")
    said = [problem.message for problem in check(file, {}) if "fallback" in problem.place]
    assert says in said


def test_a_variable_with_a_line_break_says_so(tmp_path: Path) -> None:
    text = '[log]\nlevel = "${LVL}"\n' + API
    [found] = suggested(tmp_path, text, LVL="info\n")
    assert found.endswith(
        "got '${LVL}', with blanks or line breaks around it (from the environment variable LVL)"
    )


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("wrong, did you mean 2?", True),
        ("wrong, did you mean 1?", False),
        ("wrong, did you mean 3?", False),
        ("wrong, did you mean b = 2?", True),
        ("wrong, did you mean b = 3?", False),
        ("wrong, did you mean {{?", True),
        ("unknown option, did you mean '3'?", True),
        (f"{WARNING} odd, did you mean 4?", False),
        ("wrong, did you mean 4?", True),
    ],
)
def test_each_suggestion_is_tried_in_its_place(message: str, kept: bool) -> None:
    def found(tree: dict[str, Any]) -> list[Finding]:
        refused = [Finding((name,), "no") for name, value in tree.items() if value == 3]
        return refused + [Finding((n,), f"{WARNING} odd") for n, v in tree.items() if v == 4]

    tree = {"a": 1}
    [finding] = tried([Finding(("a",), message)], tree, found)
    assert finding.message == (message if kept else without_suggestion(message))
    assert tree == {"a": 1}
