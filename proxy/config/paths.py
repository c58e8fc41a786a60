"""Paths and patterns of routes that match something else than was meant."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from proxy.config.model import Route
from proxy.core.findings import Finding, Place, one
from proxy.core.patterns import may_begin_with_slash
from proxy.http.target import literal_path
from proxy.middleware.rewrite.options import RewriteOptions

_PARAMETER: Final = re.compile(r"\{[^/{}]*\}|<[^/<>]*>|:[A-Za-z_]\w*|\*{1,2}\w*")
"""A segment that other routers take for a variable."""
_EXPRESSION: Final = re.compile(r"\.[*+]|\\[\w.]|\$$|^/?\^|\[[^\]]+\]|\([^)]*[|*+\\][^)]*\)|\(\?")
_DOLLAR: Final = re.compile(r"\$(?:\{?([0-9]+)\}?|\{?<?([A-Za-z_]\w*)>?\}?|&)")
_LOCATION: Final = re.compile(r"(=|\^~)\s*(/.*)")
"""What nginx takes for one path alone, or for a prefix before all expressions."""
_FROM_START: Final = re.compile(r"(?:\(\?[a-z]+\))?(?:\^|\\A|/)")
"""How a pattern begins that finds the start of a path."""
_CLASS: Final = re.compile(r"\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
"""A set of signs in a pattern, or an escaped one, which begins none."""
_UNESCAPED: Final = re.compile(r"[ \x80-\U0010ffff]")
"""A sign that no path has: it stands there as ``%HH``."""
_WORDS: Final = re.compile(r"\((?:\?:)?[\w-]+(?:\|[\w-]+)+\)$")
"""A choice of words at the end: whoever writes ``^`` before it means what begins so."""
_ELSEWHERE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*(/.*)?")


def path_doubts(route: Route, written: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """What is certain about one route; ``written``: its table in the file."""
    for name in ("path", "strip_prefix", "add_prefix"):
        text = getattr(route, name)
        if name in written and text.startswith("/"):
            yield from one((*place, name), _literal(name, text))
    strip = route.strip_prefix
    if strip and not route.path_regex and not _overlap(route.path, strip):
        message = f"no path below {route.path!r} begins with {strip!r}, so nothing is stripped"
        yield Finding((*place, "strip_prefix"), message)
    if route.path_regex:
        yield from one((*place, "path_regex"), _regex(route.path_regex))
    if route.rewrite is not None:
        pattern = route.rewrite.pattern
        yield from one((*place, "rewrite", "pattern"), _query(pattern) or _escapes(pattern))
        if found := _DOLLAR.search(route.rewrite.replacement):
            group = found[1] or (f"g<{found[2]}>" if found[2] else "g<0>")
            group = "g<0>" if group == "0" else group
            meant = _DOLLAR.sub(lambda _: f"\\{group}", route.rewrite.replacement, count=1)
            message = f"{found[0]!r} stands for itself, did you mean '{meant}'?"
            yield Finding((*place, "rewrite", "replacement"), message)
        else:
            yield from one((*place, "rewrite", "replacement"), _redirect(route.rewrite))


def _redirect(rule: RewriteOptions) -> str:
    """A URL in the place of a path: nginx would redirect the client there."""
    found = _ELSEWHERE.fullmatch(rule.replacement)
    if not found or not _FROM_START.match(rule.pattern):
        return ""
    near = f", did you mean '{found[1]}'?" if found[1] else ""
    return f"only the path is changed: the server is that of the upstream, nothing redirects{near}"


def path_meant(text: str, name: str = "path") -> str:
    """What somebody means who writes a path without its slash, a URL, or a location of nginx.

    ``name``: the option, which is a prefix if it is not ``path``.
    """
    if "://" in text:
        host, _, path = text.partition("://")[2].partition("/")
        if name != "path":
            near = f", did you mean '/{path}'?" if path else ""
            return f"; a server stands in [[upstreams]]{near}"
        return f", did you mean host = {host.partition(':')[0]!r} and path = '/{path}'?"
    if (found := _LOCATION.fullmatch(text)) and (found[1] != "=" or name != "path"):
        return f", did you mean '{found[2]}'?"
    if found:
        return f", did you mean path_regex = '{re.escape(found[2])}'?"
    if text[:1] in ("^", "~"):
        bare = text.lstrip("^~* ")
        if name == "path":
            return f", did you mean path_regex = '{bare}'?"
        return "" if _EXPRESSION.search(bare) else f", did you mean '/{bare.lstrip('/')}'?"
    if not text or text in ("*", "**", "."):
        return ", did you mean '/'?"
    return "" if text.startswith("/") else f", did you mean '/{text}'?"


def _literal(name: str, text: str) -> str:
    """A path that holds what other programs would take for a wildcard or an expression."""
    if _EXPRESSION.search(text):
        if name != "path":
            return "no regular expression is read here; see [routes.rewrite]"
        return f"no regular expression is read here, did you mean path_regex = '{text}'?"
    segments = text.split("/")
    odd = [at for at, each in enumerate(segments) if _PARAMETER.fullmatch(each) or "*" in each]
    if not odd:
        return ""
    sign = segments[odd[0]]
    kept = "/".join(segments[: odd[0]]) or "/"
    if odd[0] == len(segments) - 1 and sign.strip("*") == "":
        return f"{sign!r} stands for itself, did you mean {kept!r}, which takes all below it?"
    if name != "path":
        return f"{sign!r} stands for itself, did you mean {kept!r}?"
    last = len(segments) - 1
    regex = "/".join(
        _segment(each, last=at == last) if at in odd else re.escape(each)
        for at, each in enumerate(segments)
    )
    return f"{sign!r} stands for itself, did you mean path_regex = '{regex}'?"


def _segment(text: str, *, last: bool) -> str:
    if _PARAMETER.fullmatch(text):
        return ".*" if text.startswith("**") and last else "[^/]+"
    return re.escape(text).replace(r"\*", "[^/]*")


def _overlap(path: str, prefix: str) -> bool:
    """Whether some path of the route begins with the prefix."""
    try:
        route, cut = (literal_path(text, what="path") + b"/" for text in (path, prefix))
    except ValueError:  # a problem of its own
        return True
    return route.startswith(cut) or cut.startswith(route)


def _query(pattern: str) -> str:
    wanted = r"\?" in pattern or "[?]" in pattern
    return "a path has no query here, so no ? is ever found" if wanted else ""


def _escapes(pattern: str) -> str:
    """Signs that no path has. A set that leaves them out (``[^ ]``) means what it says."""
    wanted = _CLASS.sub(lambda found: "" if found[0].startswith("[^") else found[0], pattern)
    if not _UNESCAPED.search(wanted):
        return ""
    doubt = "a path is matched with its escapes"
    plain = _CLASS.sub(lambda found: "" if found[0].startswith("[") else found[0], pattern)
    inside = len(_UNESCAPED.findall(plain)) != len(_UNESCAPED.findall(pattern))
    if inside or re.search(rf"{_UNESCAPED.pattern}[?*+{{]", plain):
        return doubt  # three signs in the place of one would mean something else
    meant = quote(pattern, safe="".join(map(chr, range(0x21, 0x7F))))
    return f"{doubt}, did you mean '{meant}'?"


def _regex(pattern: str) -> str:
    """A pattern has to match the whole path, which begins with a slash and has no query."""
    bare = re.sub(r"^(?:\(\?[a-z]+\))?(?:\^|\\A)?", "", pattern)
    if bare[:1].isalnum():
        return f"a path begins with a slash, did you mean '/{bare}'?"
    if pattern.startswith("~") or not may_begin_with_slash(pattern):
        meant = pattern.lstrip("~* ")  # nginx has these before an expression
        if meant == pattern or not may_begin_with_slash(meant):
            meant = f".*{meant}"
        near = "" if pattern.startswith("^") else f", did you mean '{meant}'?"
        return f"a path begins with a slash, so this never matches{near}"
    if doubt := _escapes(pattern):
        return doubt
    if pattern.endswith("/*"):
        return f"* repeats the slash before it, did you mean '{pattern[:-1]}.*'?"
    if doubt := _query(pattern):
        return doubt
    is_open = bare[-1:] not in ("$", "*", "+", "}", ")", "]") or _WORDS.search(bare)
    if pattern.startswith("^") and is_open and not bare.endswith(")?"):
        return f"the whole path has to match, did you mean '{pattern.rstrip('/')}(/.*)?'?"
    return ""
