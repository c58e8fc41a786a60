"""What the operations do; ``test_api.py`` asks the rest of them."""

import json

import pytest

from tests.admin.test_api import ADMIN, call, told
from tests.support.proxy import fronted


async def test_a_request_is_explained_with_the_options_in_force() -> None:
    routes = [
        {"path": "/", "upstream": "api"},
        {"path": "/v1", "upstream": "api", "headers": {"X-Tenant": "acme"}, "methods": ["POST"]},
    ]
    async with fronted(admin=ADMIN, routes=routes, retry={"attempts": 4}) as (_, proxy):
        asked = "/api/explain?method=POST&url=/v1/x"
        lines = (await told(proxy, asked))["lines"]
        assert lines[0] == "POST http://localhost/v1/x"
        assert any(line.startswith("Route: routes[0]") for line in lines)
        assert "    retry.attempts = 4" in lines
        lines = (await told(proxy, f"{asked}&header=X-Tenant:%20acme"))["lines"]
        assert any(line.startswith("Route: routes[1]") for line in lines)
        assert "acme" not in str(lines)
        [reset] = [line for line in lines if line.startswith("  a reset")]
        assert "not sent again: it may have been done, POST is not in retry.methods" in reset


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("/a%20b", "/a%20b"),  # as the log shows it
        ("%2Fa%2520b", "/a%20b"),
        ("/a%2520b", "/a%20b"),
        ("http://localhost/a+b", "/a+b"),
    ],
)
async def test_a_target_is_read_as_the_log_shows_it_and_escaped(query: str, target: str) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        lines = (await told(proxy, f"/api/explain?url={query}"))["lines"]
        assert lines[0] == f"GET http://localhost{target}"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?url=x",
        "?url=%2Fa%20b",
        "?url=/&method=G%20T",
        "?url=/&header=a%20b:c",
        "?url=/&header=bad",
        "?url=/&header=a:b&header=",
    ],
)
async def test_what_cannot_be_explained_is_said(query: str) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        response = await call(proxy, "GET", f"/api/explain{query}")
        assert response.status == 400
        assert json.loads(response.body)["error"]
