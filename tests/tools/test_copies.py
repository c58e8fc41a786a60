"""``make house`` finds grammar that stands a second time."""

import importlib
import re
from pathlib import Path

import pytest

from tools.copies import copies, found

PLANTED = [
    (r"""NAME = re.compile(rb"[!\#$%&'*+\-.^_`|~0-9A-Za-z]+")""", "grammar.TOKEN"),
    (r"""NAME = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")""", "grammar.TOKEN"),
    (r'BAD = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")', "grammar.CONTROL"),
    (r'BAD = re.compile(r"[\x00-\x1f\x7f]")', "grammar.CONTROL"),
    (r'TEXT = rb"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff])"', "grammar.QUOTABLE"),
    (r'END = b"\r\n\r\n"', "framing.HEAD_END"),
    (r'put(b"0\r\n\r\n")', "chunked.LAST_CHUNK"),
    (r'put(b"%x\r\n%b\r\n" % (len(data), data))', "chunked.CHUNK"),
    (r'line = b"Transfer-Encoding: chunked\r\n"', "framing.CHUNKED_LINE"),
    (r'line = b"Content-Length: %d\r\n" % size', "framing.LENGTH_LINE"),
    (r'lines = b"%b: %b\r\n" % field', "fields.encode"),
    ("NO_BODY = frozenset({204, 304})", "framing.has_no_body"),
    ("bare = status in (101, 204, 205, 304)", "framing.has_no_body"),
    ('words = [word.strip() for word in value.split(b",")]', "grammar.members"),
    ('[value for name, value in fields if name.lower() == b"host"]', "fields: values"),
    ("any(name.lower() == wanted for name, _ in fields)", "fields: values"),
    ("[field for field in fields if field[0].lower() != name]", "fields: values"),
    ('kept = b"host" == key.lower()', "fields: values"),
    ('if low == b"retry-after": pass', "retry_after.retry_after"),
    ('EVENTS = b"text/event-stream"', "sse.EVENT_STREAM"),
    ('host = authority.removesuffix(b":443")', "authority.comparable"),
    ('HOPS = {b"connection", b"keep-alive", b"te", b"transfer-encoding"}', "HOP_BY_HOP"),
    ('HOPS = frozenset(b"connection keep-alive te transfer-encoding".split())', "HOP_BY_HOP"),
    ('UNSHARED = {b"no-store", b"private"}', "cache_control.for_one_client"),
    ("from email.utils import formatdate", "http/date"),
    ("BARE = [101, 204, 304]", "framing.has_no_body"),
    ('host = authority.removesuffix(b":80")', "authority.comparable"),
    ('NO = b"H2C"', "upgrade.offered"),
    ('if low == b"retry-after-ms": pass', "retry_after.retry_after"),
    ('ONCE = (b"host", b"content-length", b"transfer-encoding")', "hop_by_hop.FRAMING"),
    ('IDS = {b"traceparent", b"tracestate"}', "http/request_id"),
    ('ID: Final = b"x-request-id"', "request_id.REQUEST_ID"),
    ('own = [(b"X-Request-Id", ours)]', "request_id.REQUEST_ID"),
    (r'BOM: Final = b"\xef\xbb\xbf"', "codecs.BOM_UTF8"),
    ("_SWITCHED: Final = 101", "upgrade.SWITCHING"),
    ("tunnel = exchange.status == 101", "upgrade.SWITCHING"),
    ("reply = Reply(101, fields, source)", "upgrade.SWITCHING"),
    ("MOST_VARIANTS: Final = 64", "core/stored.MOST_VARIANTS"),
]

HONEST = [
    '"""A token is of #$%& and the like, see \\x00-\\x08."""',
    '"""The end is b"0\\r\\n\\r\\n", see RFC 9112."""',
    'def end() -> bytes:\n    """Not \\r\\n\\r\\n."""\n    return LAST_CHUNK',
    'lengths += value.split(b",")  # house: one that is empty is malformed',
    'kind.lower() == "fixed"',
    'value.lower() == b"keep-alive"',
    "low = name.lower()",
    "OK = (200, 204, 206)",
    'cells = line.split(",")',
    "most = 101 * size",
    "if len(entries) > MOST_VARIANTS: pass",
    r'LINE = rb"[^\x00-\x20\x7f]+"',
]


@pytest.mark.parametrize(("source", "instead"), PLANTED)
def test_a_copy_is_found_with_the_name_of_what_to_use(source: str, instead: str) -> None:
    (copy,) = copies(f"import re\n\n{source}\n")
    assert copy.line == 3
    assert instead in copy.instead


@pytest.mark.parametrize("source", HONEST)
def test_what_only_speaks_of_it_is_none(source: str) -> None:
    assert list(copies(source)) == []


def test_a_planted_copy_is_named_with_its_place(tmp_path: Path) -> None:
    for folder in ("http", "edge/http1", "demo"):
        (tmp_path / "proxy" / folder).mkdir(parents=True)
        file = tmp_path / "proxy" / folder / "planted.py"
        file.write_text('"""A module."""\n\nEND = b"\\r\\n\\r\\n"\n')
    assert found(tmp_path) == ["proxy/edge/http1/planted.py:3: a copy, use http/framing.HEAD_END"]


def test_what_it_names_is_there() -> None:
    text = Path("tools/copies.py").read_text(encoding="utf-8")
    named = re.findall(r"http/(\w+)\.(\w+)", text)
    assert named
    for module, name in named:
        assert hasattr(importlib.import_module(f"proxy.http.{module}"), name)
