"""The page: small, alone, and closed to what others write."""

import base64
import gzip
import hashlib
import re

import pytest

from proxy.admin.page.document import SCRIPTS, document
from tests.support.client import ask
from tests.support.message import get
from tests.support.proxy import fronted

LIMIT = 100 << 10
"""Bytes that the page may have."""
ADMIN = {"listen": "127.0.0.1:0"}


def test_it_is_small_and_whole() -> None:
    page = document()
    assert len(page.body) < LIMIT
    assert gzip.decompress(page.packed) == page.body
    assert b"/*STYLE*/" not in page.body
    assert page.body.count(b"<script>") == page.body.count(b"</script>") == 1
    assert len(SCRIPTS) == len(set(SCRIPTS))


def test_it_takes_nothing_from_elsewhere() -> None:
    text = document().body.decode()
    found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)) - {"http://www.w3.org"}
    assert found == set()
    assert not re.search(r"@import|<link[^>]+stylesheet|<script [^>]*src|\burl\(", text)


def test_what_others_write_never_becomes_html() -> None:
    text = document().body.decode()
    assert not re.search(
        r"innerHTML\s*[+=](?!=)|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function",
        text,
    )


def test_the_policy_allows_its_own_script_and_style_alone() -> None:
    page = document()
    text = page.body.decode()
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        [part] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy
    assert "frame-ancestors 'none'" in page.policy


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
async def test_it_is_served_and_not_again(*, packed: bool) -> None:
    wanted = b"Accept-Encoding: gzip%b\r\n" % (b"" if packed else b";q=0")
    async with fronted(admin=ADMIN) as (_, proxy):
        response = await ask(proxy.admin, get("/", wanted))
        assert response.status == 200
        assert response.value("Content-Type") == b"text/html; charset=utf-8"
        assert response.value("Content-Security-Policy") == document().policy.encode()
        body = gzip.decompress(response.body) if packed else response.body
        assert body == document().body
        tag = response.value("ETag") or b""
        again = await ask(proxy.admin, get("/", b"If-None-Match: %b\r\n" % tag))
        assert (again.status, again.body) == (304, b"")
