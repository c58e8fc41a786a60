"""Paths and URLs in a query of the admin API: escaped for it, or pasted as the access log has them.

`?path=/a%20b` is `/a b` where somebody has escaped it, and itself where nobody has.
"""

from string import punctuation
from urllib.parse import quote

from aiohttp import web


def paths(request: web.Request) -> list[str]:
    """What ``path`` may mean: escaped, pasted, written with blanks. Empty where there is none."""
    path = request.query.get("path", "")
    others = {_as_written(request, "path"), quote(path, safe=punctuation)} - {path}
    return [path, *(each for each in others if each.startswith("/"))]


def url(request: web.Request) -> str:
    """What ``url`` means: no target has a blank, so one with an escape for it was pasted."""
    found, written = request.query.get("url", ""), _as_written(request, "url")
    pasted = " " in found and (written.startswith("/") or "://" in written)
    return written if pasted else found


def _as_written(request: web.Request, name: str) -> str:
    """With its escapes."""
    pairs = (each.partition("=") for each in request.rel_url.raw_query_string.split("&"))
    return next((value for key, _, value in pairs if key == name), "")
