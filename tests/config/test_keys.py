"""Keys by which all clients are one, or one client is many, are warned of."""

from pathlib import Path

import pytest

from tests.support.checking import said

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = '[[routes]]\nupstream = "api"\n'
LIMIT = '[rate_limit]\naverage = 2\nkey = "header:{}"\n'
TRUST = '[server]\ntrusted_proxies = ["10.0.0.0/8"]\n'
OFF = '[server]\nforwarded = "off"\n'
HASH = '[load_balance]\npolicy = "{}"\nhash_key = "header:{}"\n'
SET = 'request_headers = {{ set = {{ {} = "{{client_addr}}" }} }}\n'
MEANT = 'did you mean "client_addr"?'
BELIEVED = "[server] trusted_proxies says whose X-Forwarded-For is believed"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TRUST + LIMIT.format("X-Forwarded-For") + API + ROUTE, "begin X-Forwarded-For as it"),
        (TRUST + LIMIT.format("Forwarded") + API + ROUTE, "begin Forwarded as it likes"),
        (LIMIT.format("X-Forwarded-For") + API + ROUTE, "the address of the connection"),
        (LIMIT.format("x-forwarded-for") + API + ROUTE, BELIEVED),
        (LIMIT.format("X-Real-IP") + API + ROUTE, "so all are one"),
        (LIMIT.format("X-Real-IP") + API + ROUTE + ROUTE + "path = '/b'\n", BELIEVED),
        (
            TRUST + '[concurrency]\n[queue]\nkey = "header:X-Forwarded-For"\n' + API + ROUTE,
            "another one each time",
        ),
        (
            TRUST + '[load_balance]\npolicy = "hash"\nhash_key = "header:Forwarded"\n' + API,
            "another one each time",
        ),
        (OFF + LIMIT.format("X-Forwarded-For") + API + ROUTE, 'with forwarded = "off", so all'),
        (OFF + LIMIT.format("Forwarded") + API + ROUTE, BELIEVED),
        (
            TRUST + 'forwarded = "x"\n' + LIMIT.format("Forwarded") + API + ROUTE,
            'Forwarded is dropped with forwarded = "x", so all are one',
        ),
        (
            OFF.replace("off", "forwarded") + LIMIT.format("X-Forwarded-For") + API + ROUTE,
            'X-Forwarded-For is dropped with forwarded = "forwarded", so all are one',
        ),
        (HASH.format("hash", "X-Real-IP") + API, "so requests are spread as with least_request"),
        (OFF + HASH.format("hash", "Forwarded") + API, "are spread as with least_request"),
    ],
)
def test_a_field_of_a_front_is_no_key(tmp_path: Path, text: str, words: str) -> None:
    [line] = said(tmp_path, text)
    assert " warning: " in line
    assert words in line
    assert MEANT in line


@pytest.mark.parametrize(
    "text",
    [
        TRUST + LIMIT.format("X-Real-IP") + API + ROUTE,
        LIMIT.format("X-Real-IP") + API + ROUTE + SET.format("x-real-ip"),
        LIMIT.format("X-Real-IP") + API + ROUTE + SET.format("x-real-ip").replace("set", "add"),
        LIMIT.format("X-Tenant") + API + ROUTE,
        '[rate_limit]\naverage = 2\nkey = "client_addr"\n' + API + ROUTE,
        '[[routes]]\nupstream = "api"\nrate_limit = false\n' + LIMIT.format("X-Real-IP") + API,
    ],
)
def test_what_tells_clients_apart_is_not_doubted(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


def test_a_key_that_no_policy_asks_for_is_not_doubted(tmp_path: Path) -> None:
    lines = said(tmp_path, HASH.format("least_request", "X-Real-IP") + API)
    assert "client_addr" not in "".join(lines)


@pytest.mark.parametrize(
    ("families", "name"), [("x", "X-Forwarded-For"), ("forwarded", "Forwarded")]
)
def test_a_family_that_is_sent_is_not_called_dropped(
    tmp_path: Path, families: str, name: str
) -> None:
    [line] = said(tmp_path, OFF.replace("off", families) + LIMIT.format(name) + API + ROUTE)
    assert "the address of the connection" in line


QUEUE = '[concurrency]\n[queue]\nkey = "{}"\n'
GONE = "request_headers = {{ remove = ['{}'] }}\n"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            QUEUE.format("header:X-Tenant") + API + ROUTE + GONE.format("x_tenant"),
            "queue.key",
            "request_headers removes X-Tenant before it is looked for, so all are one",
        ),
        (
            QUEUE.format("cookie:sid") + API + ROUTE + GONE.format("Cookie"),
            "queue.key",
            "request_headers removes Cookie before it is looked for, so all are one",
        ),
        (
            HASH.format("hash", "X-Tenant") + API + ROUTE + GONE.format("X-Tenant"),
            "load_balance.hash_key",
            "so requests are spread as with least_request",
        ),
    ],
)
def test_a_field_that_is_removed_is_no_key(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    [line] = said(tmp_path, text)
    assert line.startswith(f"{place}: warning: ")
    assert words in line


def test_a_key_that_requests_of_another_route_have_is_not_doubted(tmp_path: Path) -> None:
    routes = ROUTE + GONE.format("X-Tenant") + ROUTE + "path = '/b'\n"
    assert said(tmp_path, QUEUE.format("header:X-Tenant") + API + routes) == []


def test_a_key_that_a_route_removes_and_gives_anew_is_not_doubted(tmp_path: Path) -> None:
    rules = "request_headers = { remove = ['X-Tenant'], set = { X-Tenant = 'b' } }\n"
    assert said(tmp_path, QUEUE.format("header:X-Tenant") + API + ROUTE + rules) == []
