"""Requests that two parsers read differently, and the status that refuses each."""

from typing import NamedTuple

from tests.support.message import chunked, get

CHUNKED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"


def framed(fields: bytes, body: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """A POST with these framing fields."""
    return b"POST /p %s\r\nHost: a\r\n%s\r\n%s" % (version, fields, body)


class Attack(NamedTuple):
    """What is sent, and why it is refused."""

    name: str
    data: bytes
    status: int = 400


FRAMING = [
    # RFC 9112 6.1 and 6.3
    Attack("length and coding", framed(b"Content-Length: %d\r\n" % len(HIDDEN) + CHUNKED, HIDDEN)),
    Attack("coding and length", framed(CHUNKED + b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN)),
    Attack("two lengths", framed(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    Attack(
        "the same length twice", framed(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")
    ),
    Attack("a list of lengths", framed(b"Content-Length: 5, 5\r\n", b"hello")),
    *(
        Attack(f"length {value!r}", framed(b"Content-Length: %s\r\n" % value, b"hello"))
        for value in (
            b"+5",
            b"-5",
            b"0x5",
            b"5.0",
            b"1_0",
            b"1 0",
            b"5;",
            b"",
            b"\x0b5",
            b"five",
            b"\xd9\xa5",
            b"18446744073709551621",
            b"9" * 40,
        )
    ),
    Attack("coding on HTTP/1.0", framed(CHUNKED, chunked(b"x"), b"HTTP/1.0")),
    Attack(
        "length and coding on HTTP/1.0",
        framed(b"Content-Length: 3\r\n" + CHUNKED, b"0\r\n\r\n", b"HTTP/1.0"),
    ),
    Attack("space before a colon", framed(b"Transfer-Encoding : chunked\r\n", HIDDEN)),
    Attack("tab before a colon", framed(b"Content-Length\t: 5\r\n", b"hello")),
    Attack("coding folded", framed(b"Transfer-Encoding:\r\n chunked\r\n", HIDDEN)),
    Attack(
        "coding without a value", framed(b"Transfer-Encoding:\r\nContent-Length: 5\r\n", b"hello")
    ),
    Attack(
        "coding in a list that starts with nothing",
        framed(b"Transfer-Encoding: ,chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    ),
    Attack(
        "CR inside a value", framed(b"X-A: \rTransfer-Encoding: chunked\r\n", HIDDEN)
    ),  # CVE-2023-37276
]

CODINGS = [
    # RFC 9112 6.1: 501 for what we do not understand, 400 where chunked is not last and only
    Attack("gzip then chunked", framed(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    *(
        Attack(f"coding {value!r}", framed(b"Transfer-Encoding: %s\r\n" % value, b"0\r\n\r\n"), 501)
        for value in (b"identity", b"xchunked", b"gzip", b"chunked;q=1", b'"chunked"')
    ),
    *(
        Attack(f"coding {value!r}", framed(b"Transfer-Encoding: %s\r\n" % value, b"0\r\n\r\n"))
        for value in (b"chunked, gzip", b"chunked, chunked", b"\x0bchunked")
    ),
    Attack(
        "gzip then chunked in two lines",
        framed(b"Transfer-Encoding: gzip\r\n" + CHUNKED, b"0\r\n\r\n"),
    ),
    Attack("chunked twice", framed(CHUNKED + CHUNKED, b"0\r\n\r\n")),
]

CHUNKS = [
    # RFC 9112 7.1; a size or an end that two parsers read differently
    *(
        Attack(f"chunk {body[:24]!r}", framed(CHUNKED, body))
        for body in (
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"0_5\r\nhello\r\n0\r\n\r\n",
            b"zz\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhel\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\n0\n\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
            b"1" * 17 + b"\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\n",
            b"5\r\nhello\r\n0\n\r\n",
            b"5\r\nhello\r0\r\n\r\n",
            b"5\r\nhello\r\r\n0\r\n\r\n",
            b"5\r\nhello\n\r\n0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"4\r\nhello\r\n0\r\n\r\n",
            b"5\rhello\r\n0\r\n\r\n",
            b"5\n\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"\t5\r\nhello\r\n0\r\n\r\n",
            b"5\t\r\nhello\r\n0\r\n\r\n",
            b"5h\r\nhello\r\n0\r\n\r\n",
            b"5,\r\nhello\r\n0\r\n\r\n",
            b"5.0\r\nhello\r\n0\r\n\r\n",
            b"5 5\r\nhello\r\n0\r\n\r\n",
            b"\x005\r\nhello\r\n0\r\n\r\n",
            b"5\x00\r\nhello\r\n0\r\n\r\n",
            b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",  # a full-width five
            b";a\r\nhello\r\n0\r\n\r\n",
            b"5;\r\nhello\r\n0\r\n\r\n",
            b"5;=b\r\nhello\r\n0\r\n\r\n",
            b"5;a=\r\nhello\r\n0\r\n\r\n",
            b'5;a="b\r\nhello\r\n0\r\n\r\n',
            b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
            b'5;a="b"c\r\nhello\r\n0\r\n\r\n',
            b"5;a;\nb\r\nhello\r\n0\r\n\r\n",
            b"5 ;a\nb\r\nhello\r\n0\r\n\r\n",
            b"5;a" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
            b"8000000000000000\r\n",
            b"ffffffffffffffff\r\n",
            b"00000000000000005\r\nhello\r\n0\r\n\r\n",
            b"0\r\nX-A : 1\r\n\r\n",
            b"0\r\n X-A: 1\r\n\r\n",
            b"0\r\nX-A: 1\r\n folded\r\n\r\n",
            b"0\r\nX-A: 1\n\r\n",
            b"0\r\nX-A: a\rb\r\n\r\n",
            b"0\r\nX-A: a\x00b\r\n\r\n",
            b"0\r\n: 1\r\n\r\n",
        )
    ),
]

SYNTAX = [
    # RFC 9112 2.2, 3, 5 and 5.2
    *(
        Attack(f"field {line!r}", get(fields=line + b"\r\n"))
        for line in (
            b"X-A : 1",
            b"X-A\t: 1",
            b" X-A: 1",
            b"X-A: 1\r\n folded",
            b"X-A: 1\r\n\tfolded",
            b"X-A: 1\x00b",
            b"X-A: 1\x07b",
            b"X-A: 1\x7fb",
            b"X-A: 1\rb",
            b"X-A: 1\nX-B: 2",
            b"X-\x00A: 1",
            b": 1",
            b"bogus",
            b"X-\xe9: 1",
            b"X(A): 1",
            b"X A: 1",
            b"X-A;: 1",
            b"X-A: 1\r",
        )
    ),
    *(
        Attack(f"line {line!r}", line + b"\r\nHost: a\r\n\r\n")
        for line in (
            b"GET /p",
            b"GET /p HTTP/2.0",
            b"GET /p http/1.1",
            b"GET /p HTTP/1",
            b"GET /p HTTP/1.1 x",
            b"GET /p HTTP/1.10",
            b"GET /p HTTP/01.1",
            b"GET\t/p HTTP/1.1",
            b" GET /p HTTP/1.1",
            b"GET /p\x00 HTTP/1.1",
            b"GET /a\x01b HTTP/1.1",
            b"GET /p HTTP/0.9",
            b"GET /p HTTP/9.9",
            b"GET /p RTSP/1.0",
            b"GET /p RTSP/1.1",
            b"GET /p ICE/1.0",
            b"SOURCE /p ICE/1.0",
            b"GET /p HTTPS/1.1",
            b"GET /p HTCPCP/1.0",
            b"GET /p HTTP/1.",
            b"GET /p HTTP/1,1",
            b"GET /p HTTP/ 1.1",
            b"GET /p HTTP/1.1 ",
            b"GET /p HTTP/1.1\t",
            b"GET /p  HTTP/1.1",
            b"GET  /p HTTP/1.1",
            b"GET  /p  HTTP/1.1",
            b"GET /p\tHTTP/1.1",
            b"GET  HTTP/1.1",
            b"GET HTTP/1.1",
            b"/p HTTP/1.1",
            b"G:T /p HTTP/1.1",
            b"\r/p HTTP/1.1",
            b"\tGET /p HTTP/1.1",
            b"G\xc9T /p HTTP/1.1",
            b"GET /a\x0bb HTTP/1.1",
        )
    ),
    Attack("bare line feeds", b"GET /p HTTP/1.1\nHost: a\n\n"),
    Attack("bare carriage returns", b"GET /p HTTP/1.1\rHost: a\r\r\r\n\r\n"),
    Attack("one bare line feed at the end of the line", b"GET /p HTTP/1.1\nHost: a\r\n\r\n"),
    Attack("a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Attack("TLS where there is none", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
]

HOSTS = [
    # RFC 9112 3.2 and RFC 9110 7.2
    Attack("no Host", b"GET /p HTTP/1.1\r\n\r\n"),
    Attack("two Hosts", b"GET /p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    Attack("the same Host twice", b"GET /p HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    *(
        Attack(f"Host {value!r}", b"GET /p HTTP/1.1\r\nHost: %s\r\n\r\n" % value)
        for value in (
            b"",
            b"a b",
            b"a/b",
            b"a@b",
            b"a,b",
            b"a?b",
            b"a#b",
            b"a\\b",
            b"a:x",
            b"a:80:80",
            b"[::1",
            b"::1",
            b"a\xe9",
            b"http://a",
            b"a:99999",
        )
    ),
]
