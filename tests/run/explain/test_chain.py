"""The chain that ``explain`` shows ends where the request ends."""

from tests.support.explained import SEVERAL, Told

PAGE = '[[routes]]\npath = "/p"\nupstream = "b"\ncors.allow_origins = ["*"]\n'
PAGE += 'request_headers.remove = ["X-A"]\n'
ORIGIN = ("-H", "Origin: https://a.test")
PREFLIGHT = (*ORIGIN, "-H", "Access-Control-Request-Method: PUT")


def test_a_preflight_goes_no_further_than_what_answers_it(told: Told) -> None:
    found = told(SEVERAL + PAGE, "OPTIONS", "/p/x", *PREFLIGHT)
    chain = found.split("Chain: what the request meets, from the top")[1].split("\n\n")[0]
    assert [line.split()[0] for line in chain.splitlines() if line] == ["cors"]
    assert "\nUpstreams: none is asked: [cors] answers the preflight\n" in found
    assert "is sent:" not in found
    assert "Failures" not in found
    assert "cors.allow_origins" in found


def test_another_request_for_options_is_sent_on(told: Told) -> None:
    found = told(SEVERAL + PAGE, "OPTIONS", "/p/x", *ORIGIN)
    assert "    rewrite  " in found
    assert "is sent: OPTIONS /p/x" in found


def test_without_cors_a_preflight_is_the_upstreams(told: Told) -> None:
    assert "is sent: OPTIONS /x" in told(SEVERAL, "OPTIONS", "/v1/x", *PREFLIGHT)
