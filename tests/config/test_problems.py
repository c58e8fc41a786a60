"""How a problem and its place are written."""

import pytest

from proxy.config.problems import ConfigError, Problem, secret, spell
from proxy.core.findings import WARNING, Place


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("routes", 0, "retry", "attempts"), "routes[0].retry.attempts"),
        (("headers", "a b"), 'headers."a b"'),
        ((), ""),
    ],
)
def test_a_place_is_spelled_as_in_the_file(place: Place, text: str) -> None:
    assert spell(place) == text


def test_a_problem_is_one_line_and_says_whether_it_is_only_a_warning() -> None:
    wrong = Problem("a.toml", 3, "retry", "what")
    warned = Problem("--set", 0, "retry", f"{WARNING} what")
    assert [str(wrong), str(warned)] == ["a.toml:3: retry: what", f"--set: retry: {WARNING} what"]
    assert [wrong.warning, warned.warning] == [False, True]
    assert str(ConfigError([wrong, warned])) == f"{wrong}\n{warned}"


def test_a_problem_stays_one_line_whatever_it_repeats() -> None:
    wrong = Problem("a\n.toml", 3, "routes[0]", "nothing of \r\n, \x1b[2J and é is shared")
    assert str(wrong) == "a\\n.toml:3: routes[0]: nothing of \\r\\n, \\x1b[2J and é is shared"


def test_places_of_secrets_are_known_by_their_names() -> None:
    assert secret(("request_headers", "set", "Authorization"))
    assert secret(("upstreams", 0, "credentials", "value"))
    assert not secret(("upstreams", 0, "name"))
