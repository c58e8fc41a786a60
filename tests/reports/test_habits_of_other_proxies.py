"""What somebody writes who knows nginx, Caddy, Traefik, Envoy or YAML has a line that helps."""

from pathlib import Path

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = API + '[[routes]]\nupstream = "api"\n'


def said(folder: Path, text: str) -> list[str]:
    """What ``check`` prints, without the name of the file."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return [str(problem).removeprefix(f"{file}:") for problem in check(file, {})]


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        # what this proxy does not have, with what to do instead
        ("[server]\nthreads = 4\n" + API, "2: server.threads:", "[server] workers"),
        ("[server]\ngzip = true\n" + API, "2: server.gzip:", "nothing is compressed"),
        ("[server]\nhttp2 = true\n" + API, "2: server.http2:", "neither HTTP/2"),
        (
            "[cors]\nallow_origins = ['*']\nallow_credentials = false\n" + API,
            "3: cors.",
            "'credentials'",
        ),
        ("include = 'b.toml'\n" + API, "1: include:", "one file"),
        ("[[middlewares]]\nname = 'x'\n" + API, "1: middlewares:", "[retry]"),
        ("[log]\noutput = 'a'\n" + API, "2: log.output:", "standard output"),
        (ROUTE + "name = 'x'", "6: routes[0].name:", "a route has no name"),
        (ROUTE + "redirect = 'x'", "6: routes[0].redirect:", "does not redirect"),
        (ROUTE + "basic_auth = { a = 'b' }", "6: routes[0].basic_auth:", "does not check"),
        ("[retry]\nenabled = false\n" + API, "2: retry.enabled:", "retry = false"),
        (ROUTE + "websocket = true", "6: routes[0].websocket:", "without an option"),
        (ROUTE + "priority = 1", "6: routes[0].priority:", "most specific"),
        ("[tls]\ncert = 'a'\n" + API, "1: tls:", "write [server.tls]"),
        ("[health_check]\nfall = 3\n" + API, "2: health_check.fall:", "'unhealthy_threshold'"),
        ("[health_check]\nrise = 3\n" + API, "2: health_check.rise:", "'healthy_threshold'"),
        ("[rate_limit]\nby = 'path'\n" + API, "2: rate_limit.by:", "'key'"),
        # tables in the wrong place or number
        ("[[server]]\nlisten = '127.0.0.1:80'\n" + API, "1: server:", "did you mean [server]?"),
        ("[routes.retry]\nattempts = 2\n" + ROUTE, "1: syntax:", "[routes.retry] stands above"),
        ("[upstreams.tls]\nverify = false\n" + API, "1: syntax:", "[upstreams.tls] stands above"),
        (ROUTE + "[routes.queue]\nsize = 5", "6: routes[0].queue:", "[[upstreams]]"),
        (ROUTE + "[routes.timeout]\nidle = '5s'", "6: routes[0].timeout:", "[routes.timeouts]"),
        (API + "keepalive = 32", "4: upstreams[0].keepalive:", "did you mean 'keepalive_timeout'?"),
        (ROUTE + "request_headers = { X-A = 'b' }", "6: routes[0].request_headers.X-A:", "set = {"),
        # far-off words are no suggestion
        (
            "[circuit_breaker]\nmax_failures = 3\n" + API,
            "2: circuit_breaker",
            "consecutive_failures",
        ),
        # values
        ("[log]\naccess = on\n" + API, "2: syntax:", "expected true, got on"),
        ("[retry]\nattempts = 0\n" + API, "2: retry.attempts:", "1 is no second attempt"),
        ("[retry]\non = ['http_502']\n" + API, "2: retry.on[0]:", "'502'"),
        ("[retry]\non = ['error']\n" + API, "2: retry.on[0]:", "'connect-failure'"),
        ("[retry.budget]\npercent = 0.2\n" + API, "2: retry.budget.percent: warning:", "mean 20?"),
        ("[rate_limit]\naverage = '10r/s'\n" + API, "2: rate_limit.average:", "did you mean 10?"),
        ("[rate_limit]\nkey = 'header'\n" + API, "2: rate_limit.key:", "'header:X-Tenant'"),
        ("[rate_limit]\nkey = '$http_x_a'\n" + API, "2: rate_limit.key:", "'header:X-A'"),
        ("[rate_limit]\nkey = '$remote_addr'\n" + API, "2: rate_limit.key:", "'client_addr'"),
        ("[concurrency]\nmax_requests = 0\n" + API, "2: concurrency", "there is no limit"),
        ("[health_check]\npath = 'http://a/h'\n" + API, "2: health_check.path:", "mean '/h'?"),
        (ROUTE + "host = 'a.example:80'", "6: routes[0].host:", "did you mean 'a.example'?"),
        ("[server]\nlisten = '0.0.0.0:443 ssl'\n" + API, "2: server.listen:", "'0.0.0.0:443'"),
        ("[server]\nlisten = '$LISTEN'\n" + API, "2: server.listen:", '"${LISTEN}"'),
        ("[server]\nlisten = '{$LISTEN}'\n" + API, "2: server.listen:", '"${LISTEN}"'),
        ("[server]\ntrusted_proxies = ['private_ranges']\n" + API, "2: server", '"10.0.0.0/8"'),
        (
            '[[upstreams]]\nname = "a"\nservers = ["http://a:1, http://b:2"]',
            "3: upstreams[0].servers[0]:",
            "several strings",
        ),
    ],
)
def test_a_habit_has_one_line_that_helps(tmp_path: Path, text: str, place: str, meant: str) -> None:
    [line] = said(tmp_path, text)
    assert line.startswith(place)
    assert meant in line


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        ("[server.tls]\ncert_file = 'a'\n", "2: server.tls.cert_file:", "entry of certificates"),
        ("[server.tls]\ncert = 'a'\n", "2: server.tls.cert:", "'cert_file' in an entry of cert"),
        ("[server.tls]\nkey = 'a'\n", "2: server.tls.key:", "'key_file' in an entry of cert"),
        ("[cors]\norigins = ['*']\n", "2: cors.origins:", "did you mean 'allow_origins'?"),
    ],
)
def test_a_habit_whose_table_lacks_something_is_answered_too(
    tmp_path: Path, text: str, place: str, meant: str
) -> None:
    missing, line = said(tmp_path, text + API)
    assert missing.startswith("1: ")
    assert line.startswith(place)
    assert meant in line


@pytest.mark.parametrize(
    "text",
    ["[boats]\nname = 'x'\n" + API, "[server]\nusername = 'x'\n" + API],
)
def test_a_word_that_is_hardly_alike_is_no_suggestion(tmp_path: Path, text: str) -> None:
    [line, *_] = said(tmp_path, text)
    assert line.endswith("unknown option")


def test_a_route_may_have_less_time_in_all_than_the_file_gives_to_one_clock(tmp_path: Path) -> None:
    text = '[timeouts]\nfirst_byte = "1m"\n' + ROUTE + '[routes.timeouts]\ntotal = "5s"\n'
    assert said(tmp_path, text) == []
