"""The page, made of its parts: one document that asks nobody else for anything."""

import base64
import functools
import gzip
import hashlib
from importlib import resources
from typing import Final, NamedTuple

from aiohttp import web

from proxy.http.accept import takes_gzip

SCRIPTS: Final = (
    "base.js",
    "filter.js",
    "data.js",
    "charts.js",
    "panels.js",
    "calls.js",
    "main.js",
)
"""In their order; each uses those before it."""


class Document(NamedTuple):
    """The page and what a browser may do with it."""

    body: bytes
    packed: bytes
    """The same by gzip."""
    policy: str
    """Content-Security-Policy: its own style, its own script, its own API, and nothing else."""
    tag: str


@functools.cache
def document() -> Document:
    """Read once, from the package."""
    style = _part("style.css")
    script = "\n".join(map(_part, SCRIPTS))
    page = _part("index.html").replace("/*STYLE*/", style, 1).replace("/*SCRIPT*/", script, 1)
    body = page.encode()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Document(body, gzip.compress(body, mtime=0), policy, tag)


async def page(request: web.Request) -> web.Response:
    """``GET /``."""
    found = document()
    fields = {
        "Content-Security-Policy": found.policy,
        "Cache-Control": "no-cache",
        "ETag": found.tag,
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if request.headers.get("If-None-Match") == found.tag:
        return web.Response(status=304, headers=fields)
    body = found.body
    if takes_gzip(request.raw_headers):
        body = found.packed
        fields["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=fields)


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
