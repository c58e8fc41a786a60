"""What ``check`` says of ``[upstreams.credentials]``, without showing a secret."""

from pathlib import Path

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:1"]\n'
KEY = "[[upstreams.credentials]]\n"
OAUTH2 = "[upstreams.credentials.oauth2]\n"
GOOD = 'token_url = "https://a/t"\nclient_id = "me"\nclient_secret_file = "secret"\n'


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("hush-hush-hush")
    (tmp_path / "nothing").write_text("\n")
    (tmp_path / "lines").write_text("hush-hush-hush\nhush-hush-hush\n")
    return tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("written", "warned"),
    [
        ("Basic user:S3CRET", True),
        ("basic user S3CRET", True),
        ("Basic dXNlcjpwYXNz", False),
        ("Basic dXNlcjpwYXNzdw==", False),
        ("Bearer user:S3CRET", False),
    ],
)
@pytest.mark.parametrize(
    "table",
    [
        f"{KEY}value = '{{}}'",
        "[[routes]]\nupstream = 'api'\nrequest_headers.set.Authorization = '{}'",
    ],
)
def test_basic_is_followed_by_base64(said: Path, written: str, table: str, *, warned: bool) -> None:
    said.write_text(API + table.format(written))
    messages = [found.message for found in check(said, {})]
    expected = "warning: Basic has the base64 of USER:PASSWORD behind it"
    assert messages == [expected] * warned


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (OAUTH2 + GOOD, []),
        (OAUTH2 + GOOD + 'scope = "a b"\nclient_auth = "post"', []),
        (KEY + 'name = "a"\nvalue = "x"\n' + KEY + 'name = "b"\nvalue = "y"', []),
        (
            KEY + 'name = "a"\nvalue = "x"\n' + KEY + 'value = "y"',
            ["credentials[1]: expected a name, by which logs tell these credentials apart"],
        ),
        (
            KEY + 'name = "a"\nvalue = "x"\n' + KEY + 'name = "a"\nvalue = "y"',
            ["credentials[1].name: 'a' is taken by others of this upstream"],
        ),
        (KEY + "value = 'x'\nvalue_file = 'secret'", ["credentials[0]: expected one of"]),
        ("credentials = []", ["credentials: expected at least one"]),
        (
            "[upstreams.credentials]\nvalue = 'x'\n" + OAUTH2 + GOOD,
            ["credentials: expected one of value, value_file and oauth2, got value, oauth2"],
        ),
        (
            OAUTH2 + GOOD.replace("https://a/t", "a/t"),
            ["token_url: expected \"https://HOST/PATH\", got 'a/t'"],
        ),
        (
            OAUTH2 + GOOD.replace("https://a/t", "https://me:hush-hush-hush@a/t"),
            ["token_url: a user and a password do not belong in the URL"],
        ),
        (OAUTH2 + GOOD.replace("https://a/t", "https://a/t#x"), ["token_url: a fragment"]),
        (OAUTH2 + GOOD.replace('"me"', '""'), ["client_id: expected what the token server"]),
        (OAUTH2 + GOOD.replace('"secret"', '"gone"'), ["client_secret_file: cannot read this"]),
        (OAUTH2 + GOOD.replace('"secret"', '"nothing"'), ["client_secret_file: the secret is"]),
        (KEY + "value_file = 'lines'", ["value_file: the file has more than one line"]),
        (OAUTH2 + GOOD + 'ca_file = "secret"', ["oauth2.ca_file: "]),
        (OAUTH2 + GOOD + 'scopes = "a"', ["oauth2.scopes: unknown option, did you mean 'scope'?"]),
    ],
)
def test_what_cannot_work_is_said_once(said: Path, text: str, messages: list[str]) -> None:
    said.write_text(API + text)
    found = [f"{problem}" for problem in check(said)]
    assert len(found) == len(messages)
    for problem, message in zip(found, messages, strict=True):
        assert message in problem
        assert "hush" not in problem


def test_a_value_of_a_list_that_cannot_be_meant_is_doubted(said: Path) -> None:
    said.write_text(f"{API}{KEY}name = 'a'\nvalue = 'Bearer'\n")
    (problem,) = check(said)
    assert problem.warning
    assert "upstreams[0].credentials[0].value" in str(problem)


def test_a_reference_in_another_spelling_is_no_wrong_base64(said: Path) -> None:
    rule = "request_headers = { set = { Authorization = 'Basic $CREDS' } }"
    said.write_text(f'{API}[[routes]]\nupstream = "api"\n{rule}\n')
    (problem,) = check(said)
    assert 'did you mean "${CREDS}"?' in str(problem)
