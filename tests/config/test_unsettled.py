"""Nobody is warned because of a value that may be another one, on another day or machine."""

from pathlib import Path

import pytest

from tests.support import checking

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = '[[routes]]\nupstream = "api"\n'
BOTH = API + ROUTE
UNEQUAL = 'request_headers.set.X-Corr = "{request_id}"\n'


def said(folder: Path, text: str, **environ: str) -> list[str]:
    (folder / "secret").write_text("hunter2\n")
    return checking.said(folder, text.replace("SECRET", f"'{folder}/secret'"), **environ)


@pytest.mark.parametrize(
    "text",
    [
        "[admin]\nlisten = '${ADMIN:-127.0.0.1:9901}'\ntoken_file = SECRET\n" + API,
        "[admin]\nlisten = '${ADMIN:-unix:/run/a}'\nhosts = ['a.test']\n" + API,
        "[[upstreams]]\nname = 'a'\nservers = ['${URL:-http://127.0.0.1:1}']\ndns_ttl = '1m'",
        "[[upstreams]]\nname = 'a'\nservers = [{ url = '${URL:-http://127.0.0.1:1}' }]\n"
        "dns_ttl = '1m'",
        "[server]\nlisten = '${LISTEN:-127.0.0.1:1}'\nunix_mode = '0600'\n" + API,
        "[server]\nlisten = ['127.0.0.1:1', '${LISTEN:-127.0.0.1:2}']\n"
        "trusted_proxies = ['unix']\n" + API,
        "[server]\nunix_mode = '0600'\n[admin]\nprobes = '${PROBES:-127.0.0.1:1}'\n" + API,
        "[log]\naccess = '${ACCESS:-false}'\nsample = 0.5\n" + API,
        "[log]\nslow = '2s'\nsample = '${SAMPLE:-1}'\n" + API,
        "[load_balance]\npolicy = '${POLICY:-round_robin}'\nhash_key = 'path'\n" + API,
        "[load_balance]\npolicy = '${POLICY:-round_robin}'\n"
        + API
        + "load_balance.hash_key = 'path'\n",
        "[retry.budget]\npercent = 0\nmin_per_second = '${LEAST:-0}'\n" + API,
        BOTH + f"fallback = {{ status = 204, file = '${{FILE:-{__file__}}}' }}",
    ],
)
def test_nothing_is_said_because_of_a_value_from_the_environment(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


def test_the_value_that_is_doubted_itself_may_be_from_the_environment(tmp_path: Path) -> None:
    [line] = said(tmp_path, "[timeouts]\nper_try = '${PER_TRY:-20m}'\n" + API)
    assert line.startswith("timeouts.per_try: warning: ")
    assert "first_byte" in line
    assert "PER_TRY" in line


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "[admin]\nlisten = ['127.0.0.1:9901', '0.0.0.0:9902']\ntoken_file = SECRET\n" + API,
            "admin.listen",
        ),
        ("[load_balance]\npolicy = 'hsah'\nhash_key = 'path'\n" + API, "load_balance.policy"),
        ("[server]\nlisten = 9.5\nunix_mode = '0600'\n" + API, "server.listen"),
        ("[log]\naccess = 'no'\nslow = '2s'\n" + API, "log.access"),
        ("[circuit_breaker]\ninterval = '0'\n" + API, "circuit_breaker.interval"),
    ],
)
def test_nothing_is_said_because_of_a_value_that_is_wrong(
    tmp_path: Path, text: str, place: str
) -> None:
    [line] = said(tmp_path, text)
    assert line.startswith(f"{place}: ")
    assert "warning" not in line


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("methods = ['POST']\n", []),
        ("methods = ['QUERY']\n", ["[coalesce] shares the answer of equal ones"]),
        ("methods = ['GET']\n", ["[coalesce] shares the answer of equal ones"]),
        (
            "coalesce = false\nmethods = ['GET']\n",
            ["[stream] resume finds a lost stream by an equal one"],
        ),
        ("coalesce = false\nmethods = ['QUERY']\n", []),
    ],
)
def test_a_field_that_differs_matters_only_to_what_is_compared(
    tmp_path: Path, text: str, warned: list[str]
) -> None:
    other = f"{ROUTE}path = '/other'\n"  # where both do something
    lines = said(tmp_path, f"[coalesce]\n[stream]\nresume = '5s'\n{BOTH}{UNEQUAL}{text}{other}")
    assert [line.partition("{request_id}, and ")[2] for line in lines] == warned


def test_a_file_that_is_empty_may_have_a_status_without_a_body(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for file in (tmp_path / "empty", "/dev/null"):
        assert said(tmp_path, f"{BOTH}fallback = {{ status = 204, file = '{file}' }}") == []
