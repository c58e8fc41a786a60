"""Header fields: the lines that they come in, and looking things up in them (RFC 9112 5).

Fields are pairs of bytes in a plain list. A class of their own would cost a call for each look on
the path of every request, so what is done with them are functions.
"""

import re
from collections.abc import Callable, Container, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from proxy.http.bounded_cache import Memo
from proxy.http.grammar import TCHAR, VCHAR, Malformed

Fields: TypeAlias = list[tuple[bytes, bytes]]
RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]
Found = TypeVar("Found")

LINE: Final = b"%b: %b\r\n"
"""A field as it is sent: wants its name and value. A format, since many fields pass it."""
FIELD_LINE: Final = re.compile(rb"([%b]+):([%b]*)" % (TCHAR, VCHAR))
"""Name and value of one line, without its line break; blanks around the value included."""
FIELD_LINES: Final = re.compile(rb"(?:[%b]++:[%b]*+\r\n)*" % (TCHAR, VCHAR))
"""Any number of whole field lines.

A name is a token with the colon right behind it; a value holds no control character but HTAB, so
neither a bare CR or LF nor NUL; a folded line begins with a blank, which no name does.
"""

FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters that stand in no head, no chunk-size line and no trailer."""

_NAME: Final = re.compile(rb"[%b]*" % TCHAR)


def _dashed(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


DASHED: Final = Memo(_dashed, 4096)
"""A name as what runs behind CGI or WSGI tells it from others: ``X_Api_Key`` is ``x-api-key``."""


LOWER: Final = Memo(bytes.lower, 4096)
"""A name in lower case: to look for some in each request costs less so."""


class Alike(Protocol):
    """What is known of heads that have their fields in the same order."""

    def places(self, fields: RawHeaders, names: Container[bytes]) -> Sequence[int] | None:
        """Where those with these names stand in such ``fields``; None where it does not know.

        What is found is kept by ``names``: they have a hash, and never change.
        """

    def once(
        self, fields: RawHeaders, names: Container[bytes], look: Callable[..., Found], *given: str
    ) -> Found | None:
        """What ``look`` has found in such ``fields``, see ``once``; None: it has to look again."""


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """The lines of ``fields``, line breaks included.

    Whoever changes fields makes new ones; bytes count only for the very object they were made of.
    """

    fields: RawHeaders
    lines: bytes
    dated: bool | None = None
    """Whether a Date is among them; None where nobody has looked."""
    ids: RawHeaders = ()
    """Those of them that may name the request, where somebody has looked."""
    agent: bytes | None = None
    """User-Agent of a request, empty for none; None where nobody has looked."""
    trace: bytes = b""
    """Its traceparent, where ``agent`` is known; empty where its id is that of its trace too."""
    alike: Alike | None = None
    """What is known of others like it, see ``placed``."""


def encode(fields: RawHeaders, known: Encoded | None) -> bytes:
    """The lines of ``fields``; those that are ``known``, where that is what they belong to."""
    if known is not None and known.fields is fields:
        return known.lines
    return b"".join([LINE % field for field in fields])


def placed(fields: RawHeaders, known: Encoded | None, names: Container[bytes]) -> Sequence[int]:
    """The numbers of all fields with one of these names, which are in lower case.

    ``known``: as for ``encode``. Heads like this one were looked through before, as a rule, and
    what was found is kept by ``names``: they have a hash, and never change.
    """
    if known is not None and known.fields is fields and known.alike is not None:
        found = known.alike.places(fields, names)
        if found is not None:
            return found
    return [number for number, (name, _) in enumerate(fields) if LOWER[name] in names]


def once(
    fields: RawHeaders,
    known: Encoded | None,
    names: Container[bytes],
    look: Callable[..., Found],
    *given: str,
) -> Found:
    """What ``look`` finds in the fields: kept for heads like this one, as for ``placed``.

    ``look`` reads no fields but those with one of these ``names``. It is given ``fields``, and
    ``given``, which do not differ between heads like this one.
    """
    if known is not None and known.fields is fields and known.alike is not None:
        found = known.alike.once(fields, names, look, *given)
        if found is not None:
            return found
    return look(fields, *given)


def values(fields: RawHeaders, name: bytes) -> list[bytes]:
    """The values of all fields of this name, which is given in lower case."""
    size = len(name)
    return [value for key, value in fields if len(key) == size and key.lower() == name]


def first(fields: RawHeaders, name: bytes) -> bytes | None:
    """The value of the first field of this name, which is in lower case."""
    found = values(fields, name)
    return found[0] if found else None


def of_name(fields: RawHeaders, name: bytes) -> RawHeaders:
    """All fields of this name, which is given in lower case, as they came."""
    size = len(name)
    return [field for field in fields if len(field[0]) == size and field[0].lower() == name]


def has(fields: RawHeaders, name: bytes) -> bool:
    """Whether there is a field of this name, which is given in lower case."""
    size = len(name)
    for key, _ in fields:  # noqa: SIM110 - any() with a generator costs a call for each field
        if len(key) == size and key.lower() == name:
            return True
    return False


def without(fields: RawHeaders, name: bytes) -> Fields:
    """The fields but for those of this name, which is given in lower case."""
    size = len(name)
    return [field for field in fields if len(field[0]) != size or field[0].lower() != name]


def replaced(fields: RawHeaders, name: bytes, value: bytes) -> Fields:
    """The fields with another value for the first of this name; further ones are left out.

    The name is given in lower case, and stays as it was written. Nothing is added.
    """
    changed: Fields = []
    seen = False
    for field in fields:
        if field[0].lower() != name:
            changed.append(field)
        elif not seen:
            seen = True
            changed.append((field[0], value))
    return changed


def cookie(fields: RawHeaders, name: bytes) -> bytes | None:
    """The value of a cookie; None where it is not there. Names keep their case (RFC 6265 4.1.1)."""
    for value in values(fields, b"cookie"):
        for pair in value.split(b";"):
            key, _, content = pair.strip().partition(b"=")
            if key == name:
                return content
    return None


def media_type(value: bytes) -> bytes:
    """Type and subtype of a Content-Type, in lower case, without parameters (RFC 9110 8.3.1)."""
    return value.partition(b";")[0].strip().lower()


def content_kind(fields: RawHeaders) -> bytes:
    """The media type of a body, by the first Content-Type; empty where there is none."""
    return media_type(b"".join(values(fields, b"content-type")[:1]))


def is_json(kind: bytes) -> bool:
    """Whether a media type is one of JSON (RFC 6839 3.1)."""
    return kind == b"application/json" or kind.endswith(b"+json")


def check_lines(head: bytearray, start: int, end: int) -> None:
    """Whole field lines of a head that is still coming. Raises Malformed."""
    if not FIELD_LINES.fullmatch(head, start, end):
        raise Malformed(_what_is_wrong(bytes(head[start:end])))


def read_fields(block: bytes) -> Fields:
    """Names and values of whole field lines, blanks around the values left out.

    Raises Malformed.
    """
    if not FIELD_LINES.fullmatch(block):
        raise Malformed(_what_is_wrong(block))
    fields = []
    for line in block.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        fields.append((name, value.strip(b" \t")))
    return fields


def _what_is_wrong(block: bytes) -> str:
    """Which line the grammar does not know. Values are not shown: they may be credentials."""
    good = FIELD_LINES.match(block)
    line = block[good.end() if good else 0 :].partition(b"\r\n")[0]
    named = _NAME.match(line)
    name = named[0] if named else b""
    shown = name[:40].decode("ascii")
    if line[:1] in (b" ", b"\t"):
        return "a field line that begins with a blank"
    if not name or b":" not in line:
        return "a line that is no field"
    if line[len(name) : len(name) + 1] == b":":
        return f"a control character or a bare line break in the value of {shown}"
    return f"no colon right behind the field name {shown}"
