"""Messages about a configuration show no secret of it."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.hidden import hidden, masked, secret_key, shown_value
from proxy.config.load import check
from proxy.core.findings import Finding, Place
from proxy.core.redaction import HIDDEN


@pytest.mark.parametrize(
    ("place", "raw", "tree", "message", "shown"),
    [
        (
            ("retry", "attempts"),
            {"retry": {"attempts": "${N}"}},
            {"retry": {"attempts": "many"}},
            "expected an integer, got 'many'",
            "expected an integer, got '${N}'",
        ),
        (
            ("upstreams", 0, "tls"),
            {"upstreams": [{"tls": "${T:-no-1}"}]},
            {"upstreams": [{"tls": "no-1"}]},
            "expected a table, got 'no-1', which is no-1",
            "expected a table, got '${T:-no-1}', which is ${T:-no-1}",
        ),
        (  # a word of the sentence tells nothing of the value
            ("server", "trusted_proxies"),
            {"server": {"trusted_proxies": "${R}"}},
            {"server": {"trusted_proxies": ["10.0.0.0/8", "unix"]}},
            "no listener is a unix socket, got '10.0.0.0/8'",
            "no listener is a unix socket, got '${R}'",
        ),
        (
            ("routes", 0, "upstream"),
            {"routes": [{"upstream": "${R}"}]},
            {"routes": [{"upstream": "upstream"}]},
            "no upstream is named 'upstream'",
            "no upstream is named '${R}'",
        ),
        (
            ("upstreams", 0, "credentials", "value"),
            {"upstreams": [{"credentials": {"value": "sesame"}}]},
            {"upstreams": [{"credentials": {"value": "sesame"}}]},
            "'sesame' is wrong: sesame",
            f"'{HIDDEN}' is wrong: {HIDDEN}",
        ),
        (
            ("upstreams", 0, "name"),
            {"upstreams": [{"name": "api"}]},
            {"upstreams": [{"name": "api"}]},
            "'api' is taken",
            "'api' is taken",
        ),
    ],
)
def test_a_message_shows_what_may_be_shown(
    place: Place, raw: Any, tree: Any, message: str, shown: str
) -> None:
    assert hidden(Finding(place, message), raw, tree) == shown


KEPT = {"X-Tenant": "a", "X-Api-Key": "k"}


@pytest.mark.parametrize(
    ("name", "raw", "value", "shown"),
    [
        ("path", "/v1", "/v1", "/v1"),
        ("attempts", "${N}", 4, 4),
        ("path", "${P}", "/v1", "${P}"),
        ("path_regex", "^/v1$", "^/v1$", "^/v1$"),
        ("password", "sesame", "sesame", HIDDEN),
        ("password", None, "", ""),
        ("credentials", True, True, True),
        ("headers", KEPT, KEPT, {"X-Tenant": HIDDEN, "X-Api-Key": HIDDEN}),
        ("headers", {"X-A": "${A}"}, {"X-A": "sesame"}, {"X-A": "${A}"}),
        ("on", ["503", "${ON}"], ("503", "reset"), ("503", "${ON}")),
        ("on", "${ON}", ("503", "reset"), "${ON}"),
        ("on", "503,reset", ("503", "reset"), ("503", "reset")),
        ("on", None, ("503",), ("503",)),
    ],
)
def test_an_option_is_shown_without_secrets(name: str, raw: Any, value: Any, shown: Any) -> None:
    assert masked(("routes", 0, name), raw, value) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("{env.HOME}", "'{env.HOME}' is no variable"),
        ("{http.request.host}", "'{http.request.host}' is no variable"),
        ("{header:X-Tenant}", "'{header:X-Tenant}' is no variable"),
        ("a {env.HOME} b", "'{env.HOME}' is no variable"),
        ("{S3CRET}", "'***' is no variable"),
        ("{user:S3CRET}", "'***' is no variable"),
        ("{env.S3CRET=}", "'***' is no variable"),
    ],
)
def test_the_name_of_a_variable_is_shown_if_it_can_be_no_secret(
    tmp_path: Path, written: str, shown: str
) -> None:
    file = tmp_path / "config.toml"
    api = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
    rule = f'request_headers.set.X-A = "{written}"'
    file.write_text(f'{api}[[routes]]\nupstream = "api"\n{rule}\n')
    message = "".join(problem.message for problem in check(file, {}))
    assert shown in message
    assert ("S3CRET" in message) is False


def test_a_value_is_shown_unless_its_key_says_that_it_is_secret() -> None:
    assert shown_value("path", "/v1") == "'/v1'"
    for key in ("api_key", "credentials.value", "password"):
        assert secret_key(key)
        assert shown_value(key, "sesame") == "more"


@pytest.mark.parametrize(
    "written",
    ['headers.X-Pass = ["S3CRET"]', 'response_headers.set.X-A = ["S3CRET"]'],
)
def test_no_message_shows_the_value_of_a_field(tmp_path: Path, written: str) -> None:
    file = tmp_path / "config.toml"
    api = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
    file.write_text(f'{api}[[routes]]\nupstream = "api"\n{written}\n')
    [problem] = check(file, {})
    assert problem.message == "expected a string, got a list"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('headers = "X-Token: S3CRET"', "expected a table, got '***', did you mean"),
        ('headers = "S3CRET"', "expected a table, got '***'"),
        ('headers = ["X-Token: S3CRET"]', "expected a table, got a list"),
        ('request_headers = "X-Internal: S3CRET"', "expected a table, got '***'"),
        ('request_headers = """\nX-A: b\nX-Internal: S3CRET"""', "expected a table, got '***'"),
        (f'request_headers = "X-Internal: S3CRET{"x" * 900}"', "expected a table, got '***'"),
        ('response_headers = ["X-Internal: S3CRET"]', "expected a table, got a list"),
        ('request_headers = { remove = "X-A: S3CRET" }', "expected a list, got '***'"),
        ('request_headers = { remove = "X-A=S3CRET" }', "expected a list, got '***'"),
        ('request_headers = { remove = ["X-A: S3CRET"] }', "not a name that HTTP allows: '***'"),
        ('request_headers = { remove = "X-A, X-B" }', "expected a list, got 'X-A, X-B'"),
    ],
)
def test_no_message_shows_a_field_that_is_written_as_a_text(
    tmp_path: Path, written: str, said: str
) -> None:
    file = tmp_path / "config.toml"
    api = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
    file.write_text(f'{api}[[routes]]\nupstream = "api"\npath = "/"\n{written}\n')
    problems = check(file, {})
    assert any(each.message.startswith(said) for each in problems), problems
    assert "S3CR" not in "".join(map(str, problems))


API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'


@pytest.mark.parametrize("form", ["{}", "{} $$"])
@pytest.mark.parametrize(
    ("text", "value", "at"),
    [
        (
            API.replace("http://127.0.0.1:9000", "${V}"),
            "http://$HOST/hooks/S3CRETS3CRET",
            "upstreams[0].servers[0]",
        ),
        (
            API.replace("http://127.0.0.1:9000", "${V}"),
            "S3CR:9 weight=3",
            "upstreams[0].servers[0]",
        ),
        (API + '[server]\nlisten = "${V}"', "$HOST:S3CRET1234", "server.listen"),
        (API + '[server]\nlisten = "${V}"', "S3CRET:80 ssl", "server.listen"),
        (API + '[server]\ntrusted_proxies = "${V}"', "10.1.0.0/8 S3CR", "server.trusted_proxies"),
        (
            API + '[[routes]]\nupstream = "api"\nrequest_headers = { set = { X-A = "${V}" } }',
            "{env.S3CRET1234}",
            "routes[0].request_headers.set.X-A",
        ),
        (API + '[[routes]]\nupstream = "api"\nhost = "${V}"', ".S3CR.test", "routes[0].host"),
        (
            API + '[rate_limit]\naverage = 1\nkey = "${V}"',
            "$http_s3cr",
            "rate_limit.key",
        ),
    ],
)
def test_nothing_is_suggested_that_comes_from_the_environment(
    tmp_path: Path, text: str, value: str, at: str, form: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text.replace("${V}", form.format("${V}")))
    problems = [each for each in check(file, {"V": value}) if each.place.startswith(at)]
    shown = "".join(map(str, problems))
    assert problems
    assert "did you mean" not in shown
    assert "s3cr" not in shown.lower()


def test_a_name_is_suggested_whatever_its_value_is(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'{API}[retry]\natempts = "${{N}}"')
    [problem] = check(file, {"N": "4"})
    assert problem.message.startswith("unknown option, did you mean 'attempts'?")


def test_what_is_written_beside_a_value_of_the_environment_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(API + '[server]\nserver_timing = true\n[log]\nlevel = "${A}$B"')
    said = "".join(map(str, check(file, {"A": "S3CRET"})))
    assert "S3CRET" not in said
