"""Nothing that a client sent as a credential, and no configured secret, is ever shown."""

import json
import logging
import os
import random
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import ConfigError, check, from_upstream
from proxy.core.errors import BadRequest, InternalError
from proxy.core.exchange import Exchange
from proxy.core.redaction import conceal, redact, sent
from proxy.edge.responses import ErrorsOptions, error_response, problem
from proxy.telemetry.log import AccessLog, ConsoleFormatter, JsonFormatter
from proxy.telemetry.options import LogOptions
from tests.support.client import ask
from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import Script

SECRET = "sk-live-4f9a8d77c1"
ADMIN = {"listen": "127.0.0.1:0"}
HOLD: Script = ["hold"]


async def state(address: Any) -> str:
    return (await ask(address, get("/api/state"))).body.decode()


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("header:Authorization", f"Authorization: Bearer {SECRET}"),
        ("header:X-Api-Key", f"X-Api-Key: {SECRET}"),
        ("header:X-Whatever", f"X-Whatever: {SECRET}"),
        ("cookie:session", f"Cookie: a=b; session={SECRET}"),
    ],
)
async def test_keys_of_rate_limits_are_shown_as_hashes(key: str, field: str) -> None:
    tables = {"rate_limit": {"average": 100, "key": key}, "admin": ADMIN}
    async with fronted(**tables) as (_, proxy):
        assert (await proxy.ask(get(fields=field.encode() + b"\r\n"))).status == 200
        text = await state(proxy.admin)
        assert SECRET not in text
        [left] = json.loads(text)["rate_limits"]["/"]["left"]
        assert left.startswith("#")
        assert len(left) == 13


@pytest.mark.parametrize("order", ["fair", "fifo"])
async def test_keys_of_queues_are_shown_as_hashes(order: str) -> None:
    tables = {
        "concurrency": {"max_requests": 1},
        "queue": {"key": "header:Authorization", "order": order},
        "admin": ADMIN,
    }
    request = get(fields=f"Authorization: Bearer {SECRET}\r\n".encode())
    async with (
        dialled(HOLD, **tables) as (upstream, proxy, one),
        await proxy.connect() as other,
    ):
        await one.send(request)
        await upstream.until(lambda: len(upstream.requests) == 1)
        await other.send(request)
        while json.loads(text := await state(proxy.admin))["concurrency"]["api"]["waiting"] < 1:
            await proxy.breathe()
        assert SECRET not in text


async def test_keys_that_the_configuration_calls_harmless_are_shown() -> None:
    tables = {
        "rate_limit": {"average": 100, "key": "header:X-Tenant"},
        "admin": {**ADMIN, "show_keys": ["header:x-tenant"]},
    }
    async with fronted(**tables) as (_, proxy):
        await proxy.ask(get(fields=b"X-Tenant: acme\r\n"))
        assert "acme" in json.loads(await state(proxy.admin))["rate_limits"]["/"]["left"]


@pytest.mark.parametrize("formatter", [JsonFormatter(), ConsoleFormatter()])
def test_lines_on_standard_error_are_shown_without_credentials(
    formatter: logging.Formatter,
) -> None:
    try:
        raise ValueError(f"Bearer {SECRET}")
    except ValueError as error:
        record = logging.makeLogRecord(
            {"msg": "failed: %s", "args": (f"Bearer {SECRET}",), "url": f"http://u:{SECRET}@h"}
        )
        record.exc_info = (type(error), error, error.__traceback__)
    assert SECRET not in formatter.format(record)


@pytest.mark.parametrize("error", [InternalError, BadRequest])
@pytest.mark.parametrize("format_", ["problem+json", "text"])
def test_answers_are_shown_without_credentials(error: Any, format_: Any) -> None:
    options = ErrorsOptions(details=True, format=format_)
    shown = error_response(error(f"('Cookie', 'a={SECRET}')"), options, request_id="1")
    assert SECRET.encode() not in b"".join(map(b"".join, shown.fields)) + shown.body
    assert SECRET.encode() not in problem(error(f"Bearer {SECRET}"), "1", details=True)


async def test_a_fault_of_ours_shows_nothing_of_the_request(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(exchange: Exchange) -> None:
        raise KeyError(dict(exchange.headers)[b"X-Api-Key"])

    tables = {"errors": {"details": True}}
    async with fronted(**tables) as (_, proxy):
        chain = proxy.tree.router.find("GET", "h", "/", [])
        monkeypatch.setattr(chain, "handle", broken)
        response = await proxy.ask(get(fields=f"X-Api-Key: {SECRET}\r\n".encode()))
        assert response.status == 500
        assert SECRET.encode() not in response.head.raw + response.body
        for record in caplog.records:
            assert SECRET not in JsonFormatter().format(record)


def logged(target: bytes, **options: Any) -> dict[str, Any]:
    read, write = os.pipe()
    log = AccessLog(LogOptions(**options), write, rng=random.Random(1))
    exchange = Exchange("GET", target, [], target, request_id="the-id")
    log._ended.append((exchange, 1.0))
    log.close()
    os.close(write)
    with open(read, "rb") as file:
        line: dict[str, Any] = json.loads(file.read())
    return line


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/v1?access_token=abc&x=1", "/v1?access_token=***&x=1"),
        (b"/v1?x=1;API_KEY=abc", "/v1?x=1;API_KEY=***"),
        (b"/v1?api%5Fkey=abc", "/v1?api%5Fkey=***"),
        (b"/v1?X-Amz-Signature=abc&X-Amz-Date=2", "/v1?X-Amz-Signature=***&X-Amz-Date=2"),
        (b"/v1?mine=abc&mine=def", "/v1?mine=***&mine=***"),
        (b"http://user:pass@host/v1?mine=1", "http://host/v1?mine=***"),
        (b"/v1?page=2", "/v1?page=2"),
        (b"/v1?", "/v1?"),
        (b"/v1", "/v1"),
    ],
)
def test_the_access_log_hides_parameters(target: bytes, expected: str) -> None:
    assert logged(target, redact=("Mine",))["target"] == expected


def test_the_access_log_hides_fields() -> None:
    assert logged(b"/", redact=("X-Request-Id",))["request_id"] == "***"


def test_what_is_redacted_is_hidden_in_what_is_said_of_its_request() -> None:
    fields = [(b"X_Shop", b"s3cr3t shop"), (b"X-Page", b"2"), (b"x-shop", b"other shop")]
    assert sent(fields) == []
    redact(["X-Shop"])
    assert sent(fields) == ["s3cr3t shop", "other shop"]


def test_parameters_that_are_hidden_in_the_log_are_hidden_everywhere() -> None:
    redact(["session"])
    try:
        assert conceal(f"target '/v1?session={SECRET}'") == "target '/v1?session=***'"
    finally:
        redact([])


CREDENTIALS = '[[upstreams]]\nname = "api"\nservers = ["http://a"]\ncredentials = '
SERVERS = '[[upstreams]]\nname = "api"\nservers = '


@pytest.mark.parametrize(
    "text",
    [
        f'{CREDENTIALS}"Bearer {SECRET}"',
        f'{CREDENTIALS}{{ value = ["Bearer {SECRET}"] }}',
        f'{CREDENTIALS}{{ value = "{SECRET}\\n" }}',
        f'{CREDENTIALS}{{ header = "{SECRET} x", value = "y" }}',
        f'{CREDENTIALS}{{ header = "Authorization: Bearer {SECRET}", value = "y" }}',
        f'{CREDENTIALS}{{ header = "${{TOKEN}} x", value = "y" }}',
        f'{SERVERS}["http://user:{SECRET}@host/"]',
        f'{SERVERS}["ftp://user:{SECRET}@host/"]',
        f'{SERVERS}["https://host/?k={SECRET}"]',
        f'{SERVERS}"https://user:{SECRET}@host"',
        f'{SERVERS}["${{TOKEN}}"]',
        f'{SERVERS}["http://${{TOKEN}} "]',
        f'{SERVERS}["http://host/${{TOKEN}}"]',
        f'{SERVERS}["http://a"]\nlimit = "${{TOKEN}}"',
        f'{SERVERS}["http://a"]\nhost_header = "${{LONG}}"',
        f'{SERVERS}["http://a"]\nkeepalive_timeout = "${{LONG}}"',
        f'{SERVERS}["http://a"]\n[retry]\nmethods = ["${{TOKEN}} "]',
        f'{SERVERS}["http://a"]\n[[routes]]\nupstream = "${{TOKEN}}"',
        f'{SERVERS}["http://a"]\n[[routes]]\nrequest_headers = '
        f'{{ set = {{ Authorization = "Bearer {SECRET} {{x}}" }} }}',
        f'{SERVERS}["http://a"]\n[[routes]]\nrequest_headers = '
        f'{{ set = {{ X-Other = "${{TOKEN}} {{${{TOKEN}}}}" }} }}',
    ],
)
def test_problems_of_a_configuration_are_shown_without_secrets(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    environ = {"TOKEN": SECRET, "LONG": f"{SECRET} " + "x" * 80}
    problems = check(file, environ)
    assert problems
    for found in problems:
        assert SECRET not in str(found)
        assert SECRET[:8] not in str(found)


def test_what_comes_from_the_environment_is_shown_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'{SERVERS}["http://a"]\nlimit = "${{LIMIT}}"')
    [found] = check(file, {"LIMIT": "many"})
    assert "${LIMIT}" in str(found)
    assert "many" not in str(found)


def test_the_command_line_is_repeated_without_secrets() -> None:
    with pytest.raises(ConfigError) as caught:
        from_upstream(f"ftp://user:{SECRET}@host")
    assert SECRET not in str(caught.value)


async def test_a_configured_secret_is_shown_nowhere() -> None:
    options = {"credentials": {"value": f"Bearer {SECRET}"}}
    async with fronted(upstream_options=options, admin=ADMIN) as (_, proxy):
        await proxy.ask(get())
        assert SECRET not in await state(proxy.admin)
        assert SECRET not in conceal(f"somewhere {SECRET} stands")


def test_what_an_option_may_be_is_said_in_full(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[admin]\nlisten = "127.0.0.1:0"\nshow_keys = ["X-Tenant"]\n{SERVERS}["http://a"]'
    )
    [found] = check(file, {})
    assert "header:NAME, cookie:NAME, got 'X-Tenant'" in str(found)
