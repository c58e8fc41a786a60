"""Copies of what ``proxy/http`` and a few others have: what stands twice will differ one day.

Looks at the code, not at its text: docstrings and comments may quote what they like. A line that
is no copy, though it looks like one, says so itself: ``# house: why``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

HOME: Final = "proxy/http"
APART: Final = "proxy/demo"
"""The demo API is no part of the proxy and imports nothing of it."""
EXCUSE: Final = "# house:"


class Copy(NamedTuple):
    """A place that looks like one."""

    line: int
    instead: str


_WITHIN: Final = (
    ("#$%&", "http/grammar.TOKEN, or TCHAR within a larger expression"),
    (r"\x00-\x08", "http/grammar.CONTROL"),
    (r"\x00-\x1f", "http/grammar.CONTROL"),
    (r"\x5d-\x7e", "http/grammar.QUOTABLE, quoted() and unquoted()"),
    ("%x\r\n", "http/chunked.CHUNK"),
    ("Transfer-Encoding: chunked\r\n", "http/framing.CHUNKED_LINE"),
    ("Content-Length: %d", "http/framing.LENGTH_LINE"),
    ("%b: %b\r\n", "http/fields.encode()"),
)
_WHOLE: Final = {
    "\r\n\r\n": "http/framing.HEAD_END",
    "0\r\n\r\n": "http/chunked.LAST_CHUNK",
    ":80": "http/authority.comparable()",
    ":443": "http/authority.comparable()",
    "text/event-stream": "http/sse.EVENT_STREAM, of_events() and streams_events()",
    "retry-after": "http/retry_after.retry_after()",
    "retry-after-ms": "http/retry_after.retry_after()",
    "h2c": "http/upgrade.offered()",
    "x-request-id": "http/request_id.REQUEST_ID",
    "\xef\xbb\xbf": "codecs.BOM_UTF8",
}
"""Of bytes only: a text may be the name of an option."""
_SWITCHING: Final = 101
_BODILESS: Final = {204, 304}
_NAMES: Final = (
    ({"connection", "keep-alive", "transfer-encoding"}, "http/hop_by_hop.HOP_BY_HOP"),
    ({"content-length", "host", "transfer-encoding"}, "http/hop_by_hop.FRAMING"),
    ({"private", "no-store"}, "http/cache_control.for_one_client()"),
    ({"traceparent", "tracestate"}, "http/request_id, or http/equivalence.TRACING_FIELDS"),
)
"""Names that only one list has together."""
_MODULES: Final = {"email.utils": "http/date"}
_CONSTANTS: Final = {"MOST_VARIANTS": "core/stored.MOST_VARIANTS"}
"""Those that are declared in one place outside ``proxy/http``."""


def copies(source: str) -> Iterator[Copy]:
    """What looks like a copy in the text of a module."""
    tree = ast.parse(source)
    lines = source.splitlines()
    quotations = set(_quotations(tree))
    for node in ast.walk(tree):
        if node in quotations:
            continue
        instead = _instead(node)
        if instead and EXCUSE not in lines[node.lineno - 1]:  # type: ignore[attr-defined]
            yield Copy(node.lineno, instead)  # type: ignore[attr-defined]


def _quotations(tree: ast.AST) -> Iterator[ast.AST]:
    """Strings that stand by themselves: docstrings, also of variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _instead(node: ast.AST) -> str:
    """What is to be used in the place of ``node``; empty where it is no copy."""
    match node:
        case ast.Constant(value=bytes() | str() as value):
            return _of_text(value)
        case ast.Set(elts=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
            return _of_many({each.value for each in elements if isinstance(each, ast.Constant)})
        case (
            ast.Compare(comparators=[ast.Constant(value=int(number))])
            | ast.AnnAssign(value=ast.Constant(value=int(number)))
            | ast.Call(args=[ast.Constant(value=int(number)), *_])
        ) if number == _SWITCHING:
            return "http/upgrade.SWITCHING"
        case ast.AnnAssign(target=ast.Name(id=name)) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Call(func=ast.Attribute(attr="split"), args=[ast.Constant(value=b","), *_]):
            return "http/grammar.members()"
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
            if _is_folded(left, right) or _is_folded(right, left):
                return "http/fields: values(), has() or without()"
        case ast.ImportFrom(module=str() as module) if module in _MODULES:
            return _MODULES[module]
    return ""


def _of_text(value: bytes | str) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    for mark, instead in _WITHIN:
        if mark in text:
            return instead
    if isinstance(value, bytes):
        return _WHOLE.get(text.lower(), "") or _of_many(set(text.split()))
    return ""


def _of_many(values: set[object]) -> str:
    if values >= _BODILESS:
        return "http/framing.has_no_body() and BODILESS"
    names = {value.decode("latin-1") if isinstance(value, bytes) else value for value in values}
    return next((instead for mark, instead in _NAMES if names >= mark), "")


def _is_folded(one: ast.expr, other: ast.expr) -> bool:
    """Whether the name of a field is compared in lower case: ``name``, ``key`` or ``field[0]``."""
    match one:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Name(id="name" | "key" | "field")
                | ast.Subscript(slice=ast.Constant(value=0)),
                attr="lower",
            )
        ):
            named = isinstance(other, ast.Constant) and isinstance(other.value, bytes)
            return named or isinstance(other, ast.Name)
    return False


def found(root: Path = Path()) -> list[str]:
    """Every copy outside its home, as ``FILE:LINE: MESSAGE``."""
    return [
        f"{path.relative_to(root)}:{line}: a copy, use {instead}"
        for path in sorted((root / "proxy").rglob("*.py"))
        if not path.is_relative_to(root / HOME) and not path.is_relative_to(root / APART)
        for line, instead in sorted(copies(path.read_text(encoding="utf-8")))
        if root / "proxy" / instead.partition(".")[0] != path.with_suffix("")
    ]
