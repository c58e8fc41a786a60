"""One file of a recording: the text of it, and what a text means that people may have edited.

Text and values of fields are written with a letter for each byte. What is wrong in a file raises
ValueError with a sentence.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from proxy.core.recording import Answer, Question
from proxy.http.codings import codings
from proxy.http.fields import FIELD_LINE, Fields, RawHeaders, content_kind
from proxy.http.framing import has_no_body
from proxy.http.hop_by_hop import HOP_BY_HOP

T = TypeVar("T", int, float)
_LONGEST: Final = 60
"""Letters of a path in the name of a file."""
_NUMBER: Final = re.compile(r"(\d+)\Z")
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9.]+")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_OF_CONNECTION: Final = HOP_BY_HOP - _FRAMING - {b"trailer"}
"""Trailer is kept: it goes to the clients that take trailers."""
_KNOWN: Final = {
    "request": ("method", "target", "body", "fields"),
    "reply": (
        *("status", "reason", "body", "fields", "trailers"),
        *("chunked", "length", "ended", "wait", "pieces"),
    ),
}
"""What may stand in each table."""
_TOO_MUCH: Final = 1e18
"""No number of a file is so large."""
_UPGRADE_REQUIRED: Final = 426
_UPGRADE: Final = (b"connection", b"upgrade")
"""What a 426 has beside Upgrade (RFC 9110 15.5.22)."""
_ENDINGS: Final = {
    b"application/json": "json",
    b"text/html": "html",
    b"text/css": "css",
    b"text/csv": "csv",
    b"text/javascript": "js",
    b"application/xml": "xml",
    b"text/xml": "xml",
    b"application/pdf": "pdf",
    b"image/png": "png",
    b"image/jpeg": "jpg",
    b"image/gif": "gif",
    b"image/webp": "webp",
    b"image/svg+xml": "svg",
}


def name_of(question: Question) -> str:
    """What its files are called, but for their number."""
    path = question.target.partition(b"?")[0].decode("latin-1")
    words = [question.method, *path.split("/")]
    shown = "-".join(filter(None, (_UNUSUAL.sub("-", word).strip("-.") for word in words)))
    return f"{shown[:_LONGEST].rstrip('-.')}-{question.key[:8]}"


def order(path: Path) -> tuple[int, str]:
    """By the number at the end, so that 10 comes behind 9."""
    number = _NUMBER.search(path.stem)
    return (int(number[1]) if number else 0, path.name)


def ending(fields: RawHeaders) -> str:
    """Of the name of a file with a body that these fields describe."""
    if coded := codings(fields):
        return "gz" if coded[0] in (b"gzip", b"x-gzip") else "bin"
    kind = content_kind(fields)
    if kind.endswith(b"+json"):
        return "json"
    return _ENDINGS.get(kind, "txt" if kind.startswith(b"text/") else "bin")


def text_of(question: Question, answer: Answer, names: dict[str, str]) -> str:
    """The whole file; ``names``: of the files of the bodies of ``request`` and ``reply``."""
    lines = ["[request]", f"method = {json.dumps(question.method)}"]
    lines.append(f"target = {_text(question.target)}")
    if "request" in names:
        lines.append(f"body = {json.dumps(names['request'])}")
    lines += _list("fields", question.fields)
    lines += ["", "[reply]", f"status = {answer.status}", f"reason = {_text(answer.reason)}"]
    if "reply" in names:
        lines.append(f"body = {json.dumps(names['reply'])}")
    lines += _list("fields", answer.fields)
    if answer.trailers:
        lines += _list("trailers", answer.trailers)
    if answer.length is None:
        lines.append("chunked = true")
    elif answer.length != len(answer.body):
        lines.append(f"length = {answer.length}")
    if not answer.ended:
        lines.append("ended = false  # its client left")
    lines.append(f"wait = {answer.wait:.3f}  # seconds from the request to the head")
    if answer.pieces:
        lines.append("# Seconds from the head to each piece, and its bytes.")
        pieces = [f"    [{at:.3f}, {size}]," for at, size in answer.pieces]
        lines += ["pieces = [", *pieces, "]"]
    return "\n".join([*lines, ""])


def _list(name: str, fields: Fields) -> list[str]:
    """One field a line, so that a difference is one line too."""
    pairs = [f"    [{_text(name)}, {_text(value)}]," for name, value in fields]
    return [f"{name} = [", *pairs, "]"]


def _text(value: bytes) -> str:
    """As TOML: a letter for each byte."""
    return json.dumps(value.decode("latin-1")).replace("\x7f", "\\u007f")


# Reading


def tables_of(path: Path) -> dict[str, Any]:
    """What stands in a file, which begins with a byte order mark where Windows wrote it.

    Raises OSError too.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def table_of(tables: dict[str, Any], name: str) -> dict[str, Any]:
    """One of its tables."""
    table = tables.get(name)
    if not isinstance(table, dict):
        raise ValueError(f"there is no table [{name}]")
    check_names(table, _KNOWN[name], f"{name}.")
    return table


def check_names(table: dict[str, Any], known: Iterable[str], place: str = "") -> None:
    """Refuse what has another name: it would be passed over without a word."""
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{place}{name}: this name is not known here{meant}")


def redacted(index: dict[str, Any]) -> tuple[str, ...]:
    """The names of fields that the index lists."""
    found = index.get("redact", [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError('redact: a list of ["TEXT"] is expected')
    return tuple(found)


def question_of(request: dict[str, Any], body: bytes) -> Question:
    """What the table of a request means."""
    method, target = _string(request, "method", "GET"), _string(request, "target", "/")
    return Question(method, _bytes(target), _fields(request), body)


def answer_of(reply: dict[str, Any], body: bytes, method: str) -> Answer:
    """What the table of a reply to a request of this method means.

    A body may be longer or shorter now than its pieces say, and there is none where HTTP has none.
    """
    status = _status(reply.get("status"))
    bodiless = has_no_body(method, status)
    ended = _flag(reply, "ended", usual=True) or bodiless
    length: int | None = len(body)
    if _flag(reply, "chunked", usual=False):
        length = None
    elif "length" in reply:
        length = _number(reply, "length", int)
        # A stream that was left had more to come.
        if not bodiless and (length < len(body) or (ended and length > len(body))):
            raise ValueError(f"length: the body has {len(body)} bytes, not {length}; leave it out")
    if bodiless:
        body = b""
    return Answer(
        status=status,
        reason=_reason(_string(reply, "reason", "")),
        fields=_fields(reply),
        body=body,
        pieces=_pieces(reply.get("pieces", []), len(body)),
        trailers=_fields(reply, "trailers"),
        wait=_number(reply, "wait", float),
        length=length,
        ended=ended,
    )


def _number(table: dict[str, Any], name: str, kind: type[T]) -> T:
    value = table.get(name, 0)
    kinds = int if kind is int else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < _TOO_MUCH:
        raise ValueError(f"{name}: {value!r} is no number")
    return kind(value)


def _flag(table: dict[str, Any], name: str, *, usual: bool) -> bool:
    value = table.get(name, usual)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is neither true nor false")
    return value


def _string(table: dict[str, Any], name: str, usual: str) -> str:
    value = table.get(name, usual)
    if not isinstance(value, str):
        raise ValueError(f"{name}: {value!r} is no text")
    return value


def _status(value: Any) -> int:
    if not isinstance(value, int) or not 200 <= value <= 999:
        raise ValueError(f"status: {value!r} is no status of a reply")
    return value


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{text!r}: write each byte beyond ASCII as \\u00XX") from None


def _reason(text: str) -> bytes:
    found = _bytes(text)
    if not FIELD_LINE.fullmatch(b"x:" + found):
        raise ValueError(f"reason: {text!r} has a control character")
    return found


def _fields(table: dict[str, Any], name: str = "fields") -> Fields:
    pairs = table.get(name, [])
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and [type(each) for each in pair] == [str, str] for pair in pairs
    ):
        raise ValueError(f'{name}: a list of ["NAME", "VALUE"] is expected')
    fields = [(_bytes(key), _bytes(value)) for key, value in pairs]
    for field in fields:
        if not FIELD_LINE.fullmatch(b":".join(field)):
            raise ValueError(f"{name}: {field[0].decode('latin-1')!r} is no field as HTTP has them")
        if (low := field[0].lower()) in _FRAMING:
            raise ValueError(f"{name}: {field[0].decode()} follows from the body; leave it out")
        if low in _OF_CONNECTION and not (
            table.get("status") == _UPGRADE_REQUIRED
            and (low == b"upgrade" or (low, field[1].lower()) == _UPGRADE)
        ):
            raise ValueError(f"{name}: {field[0].decode()} is the proxy's to write; leave it out")
    return fields


def _pieces(pairs: Any, size: int) -> list[tuple[float, int]]:
    """The pieces of a body of ``size`` bytes, which may have been edited: the last one gives."""
    pieces: list[tuple[float, int]] = []
    left = size
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in pairs
    ):
        raise ValueError("pieces: a list of [SECONDS, BYTES] is expected")
    for pair in pairs:
        named = {"pieces": pair[0], "bytes": pair[1]}
        at, length = _number(named, "pieces", float), _number(named, "bytes", int)
        if left > 0:
            pieces.append((at, min(length, left)))
            left -= pieces[-1][1]
    if left > 0:
        at, length = pieces.pop() if pieces else (0.0, 0)
        pieces.append((at, length + left))
    return [piece for piece in pieces if piece[1] > 0]
