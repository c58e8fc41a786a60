"""A condition on requests that is meant as a rule for fields is warned of."""

from pathlib import Path

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = API + '[[routes]]\nupstream = "api"\n'


def said(folder: Path, text: str) -> list[str]:
    file = folder / "config.toml"
    file.write_text(text)
    return [found.message for found in check(file, {})]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Strict-Transport-Security", "max-age=1", "only replies have this field"),
        ("Access-Control-Allow-Origin", "*", "response_headers = { set = { Access-Control-Allow"),
        ("X-Frame-Options", "DENY", "only replies have this field"),
        ("Set-Cookie", "a=b", "only replies have this field"),
        ("content-security-policy", "x", "only replies have this field"),
        ("X-Real-IP", "$remote_addr", "compared as it stands"),
        ("X-A", "~^b", "compared as it stands"),
        ("X-A", "~* b", "compared as it stands"),
        ("X-A", "!~ b", "compared as it stands"),
        ("X-A", "^b.+$", "compared as it stands"),
        ("X-A", "{http.request.host}", "compared as it stands"),
        ("X-A", "{client_addr}", "compared as it stands"),
        ("X-A", "~a.*b", "compared as it stands"),
        ("X-A", "%[src]", "compared as it stands"),
        ("X-A", "%REQ(X-B)%", "compared as it stands"),
        ("X-A", "a*", 'a * within a value stands for itself; "*" alone'),
        ("Cookie", "beta=1", "a client with another cookie beside this does not match"),
    ],
)
def test_a_condition_that_is_hardly_meant_is_warned_of(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    [message] = said(tmp_path, f'{ROUTE}headers = {{ {name} = "{value}" }}')
    assert message.startswith("warning: ")
    assert words in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Proto", "https"),
        ("Cookie", "*"),
        ("Cookie", "a=b; c=d"),
        ("X-A", "a~b"),
        ("X-A", "5$"),
        ("X-A", "100%"),
        ("X-A", "*"),
        ("X-Price", "$5"),
        ("X-Home", "~/x"),
        ("X-Home", "~"),
        ("X-Version", "^1.0.0"),
        ("X-Version", "^v2.1-rc.1"),
        ("X-Env", "{prod}"),
        ("Access-Control-Request-Method", "GET"),
        ("Upgrade", "websocket"),
    ],
)
def test_a_condition_that_works_is_not(tmp_path: Path, name: str, value: str) -> None:
    assert said(tmp_path, f'{ROUTE}headers = {{ {name} = "{value}" }}') == []


@pytest.mark.parametrize("act", ["set", "add", "hide"])
def test_rules_among_conditions_are_told_where_they_stand(tmp_path: Path, act: str) -> None:
    [message] = said(tmp_path, f'{ROUTE}headers = {{ {act} = {{ X-A = "b" }} }}')
    assert message.endswith("rules for fields stand in request_headers and in response_headers")


def test_what_somebody_sends_is_not_shown(tmp_path: Path) -> None:
    [message] = said(tmp_path, f'{ROUTE}headers = {{ X-Key = "^S3CRET" }}')
    assert "S3CRET" not in message


def test_a_sign_for_every_host_in_other_proxies_is_a_name_here(tmp_path: Path) -> None:
    [message] = said(tmp_path, f'{ROUTE}host = "_"')
    assert message == 'warning: "_" is the name of a host here: leave host out to match every host'
