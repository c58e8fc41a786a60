"""What a file is refused for, whichever part of the checks finds it."""

from pathlib import Path

import pytest

from proxy.config.load import check

B = '[[upstreams]]\nname = "b"\nservers = ["http://b"]\n'
A = '[[upstreams]]\nname = "api"\nservers = ["http://a"]\n'
ROUTE = '[[routes]]\nupstream = "api"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (A + B + ROUTE + 'fallback = ["c"]', "routes[0].fallback[0]: no upstream is named 'c'"),
        (
            A + B + ROUTE + 'fallback = ["api"]',
            "routes[0].fallback[0]: 'api' is the upstream that has failed",
        ),
        (
            A + B + ROUTE + 'fallback = ["b", "b"]',
            "routes[0].fallback[1]: 'b' is the upstream that has failed",
        ),
        (
            A + ROUTE + 'fallback = { file = "/gone" }',
            "routes[0].fallback.file: cannot read '/gone'",
        ),
        (A + ROUTE + "fallback = { status = 200 }", "routes[0].fallback"),
        (
            A + ROUTE + 'fallback = { status = 100, file = "/dev/null" }',
            "routes[0].fallback.status",
        ),
        (
            A.replace('"http://a"', '"http://a", { url = "http://a", weight = 2 }'),
            "upstreams[0].servers[1].url: 'http://a' is in the list already",
        ),
        (
            A.replace('"http://a"', '"http://a", "http://a/"'),
            "upstreams[0].servers[1]: 'http://a/' is in the list already",
        ),
        (
            A.replace('"http://a"', '{ url = "http://a", backup = true }'),
            "upstreams[0].servers: expected a server that is no backup",
        ),
        (
            A.replace('"http://a"', '{ url = "http://a", weight = 0 }'),
            "upstreams[0].servers[0].weight",
        ),
        (A + "load_balance = { policy = 'random' }", "upstreams[0].load_balance.policy"),
        (A + "load_balance = { hash_key = 'query:a' }", "upstreams[0].load_balance.hash_key"),
        (A + "health_check = { path = 'up' }", "upstreams[0].health_check.path"),
        (A + "health_check = { interval = '0' }", "upstreams[0].health_check.interval"),
        (A + "health_check = { inteval = '1s' }", "upstreams[0].health_check.inteval: unknown"),
        (A + "circuit_breaker = {}", "upstreams[0].circuit_breaker: unknown"),
        (A + ROUTE + "health_check = {}", "routes[0].health_check: unknown"),
        (A + ROUTE + "load_balance = {}", "routes[0].load_balance: unknown"),
        ("[circuit_breaker]\nfailure_ratio = 2\n" + A, "circuit_breaker.failure_ratio"),
        ("[circuit_breaker]\nfailures = 2\n" + A, "circuit_breaker.failures: unknown"),
        ("[stream]\ncommit = 'body'\n" + A, "stream.commit"),
        ("[retry.budget]\npercent = -1\n" + A, "retry.budget.percent"),
        ("[retry.budget]\nwindow = '0'\n" + A, "retry.budget.window"),
        ("[retry.budget]\nper_second = 1\n" + A, "retry.budget.per_second: unknown"),
        ("[retry]\non = ['6xx']\n" + A, "retry.on[0]"),
    ],
)
def test_what_cannot_be_built_is_one_problem(tmp_path: Path, text: str, problem: str) -> None:
    tmp_path.joinpath("config.toml").write_text(text)
    problems = check(tmp_path / "config.toml", {})
    found = [f"{each.place}: {each.message}" for each in problems if not each.warning]
    assert [each[: len(problem)] for each in found] == [problem], found
