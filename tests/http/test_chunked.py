"""The chunked coding, however a body is cut into pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.chunked import CHUNK, LAST_CHUNK, LONGEST_LINE, Chunked, chunked_body
from proxy.http.grammar import Malformed, TooLarge
from proxy.http.trailers import last_chunk

LIMIT = 4096
BODY = b'5\r\nhello\r\n0b ;x="y;\\"" ; z\r\n, all of it\r\n00\r\nX-A: 1\r\nX-B:\r\n\r\n'
NEXT = b"GET / HTTP/1.1\r\n"


def fed(pieces: list[bytes]) -> tuple[bytes, bytes | None, Chunked]:
    """What the pieces come to: the body, what follows it, and its reader."""
    chunked = Chunked(LIMIT)
    body = b""
    rest: bytes | None = None
    for number, piece in enumerate(pieces):
        data, rest = chunked.feed(piece)
        body += data
        if rest is not None:
            rest += b"".join(pieces[number + 1 :])
            break
    return body, rest, chunked


def feed_again(chunked: Chunked, piece: bytes) -> None:
    """The same piece, more often than any limit allows."""
    for _ in range(LIMIT + 1):
        chunked.feed(piece)


@pytest.mark.parametrize("cut", range(1, len(BODY)))
def test_a_body_in_two_pieces_is_the_same_body(cut: int) -> None:
    body, rest, chunked = fed([BODY[:cut], BODY[cut:] + NEXT])
    assert (body, rest) == (b"hello, all of it", NEXT)
    assert chunked.trailers == [(b"X-A", b"1"), (b"X-B", b"")]


def test_a_body_byte_by_byte_is_the_same_body() -> None:
    body, rest, _ = fed([bytes((byte,)) for byte in BODY + NEXT])
    assert (body, rest) == (b"hello, all of it", NEXT)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    cuts=st.lists(st.integers(1, 300), max_size=8),
)
def test_whatever_was_sent_comes_out(chunks: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n" + NEXT
    edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    body, rest, _ = fed(pieces)
    assert (body, rest) == (b"".join(chunks), NEXT)


@pytest.mark.parametrize("at", range(len(BODY)))
@pytest.mark.parametrize("junk", [b"\n", b"\r", b"\x00", b"\x7f"])
def test_a_control_character_anywhere_in_the_framing_is_refused_at_once(
    at: int, junk: bytes
) -> None:
    """Whether it comes in one piece or alone; nothing waits for what could not help."""
    if any(start <= at <= end for start, end in ((3, 7), (27, 38))):
        return  # inside data everything is allowed
    pieces = [BODY[:at], junk, BODY[at:]]
    for sent in (pieces, [b"".join(pieces)]):
        if junk == b"\r" and BODY[at : at + 1] == b"\n" and BODY[at - 1 : at] != b"\r":
            continue
        if junk == b"\n" and at == len(BODY) - 1:
            continue  # it ends with the first of two
        with pytest.raises(Malformed):
            fed([*sent, b"x"])


@pytest.mark.parametrize(
    "before",
    [b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhello\r\n", b"", b"5\r\nhello\r\n0\r\nX: 1\r\n"],
)
@pytest.mark.parametrize("junk", [b"zz", b" ", b":", b"-1"])
def test_junk_at_a_boundary_is_refused_without_waiting_for_more(before: bytes, junk: bytes) -> None:
    if before.endswith(b"X: 1\r\n") and junk in (b"zz", b"-1"):
        junk += b"\r\n"  # it could have been a name
    chunked = Chunked(LIMIT)
    if before:
        chunked.feed(before)
    with pytest.raises(Malformed):
        chunked.feed(junk)


@pytest.mark.parametrize("piece", [1, 1000])
def test_trailers_without_end_are_bounded(piece: int) -> None:
    chunked = Chunked(LIMIT)
    chunked.feed(b"0\r\nX-A: ")
    with pytest.raises(TooLarge):
        feed_again(chunked, b"a" * piece)


def test_many_small_trailers_are_bounded_together() -> None:
    chunked = Chunked(LIMIT)
    chunked.feed(b"0\r\n")
    with pytest.raises(TooLarge):
        feed_again(chunked, b"a:\r\n")


def test_an_extension_without_end_is_refused() -> None:
    chunked = Chunked(LIMIT)
    chunked.feed(b"5;a=")
    with pytest.raises(Malformed):
        feed_again(chunked, b"a" * (LONGEST_LINE // LIMIT + 1))


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=4), st.booleans())
def test_chunks_are_read_back(pieces: list[bytes], trailing: bool) -> None:
    end = last_chunk([(b"X-Sum", b"1")]) if trailing else LAST_CHUNK
    sent = b"".join([CHUNK % (len(piece), piece) for piece in pieces]) + end
    reader = Chunked(1000)
    assert reader.feed(sent + b"next") == (b"".join(pieces), b"next")
    assert reader.trailers == ([(b"X-Sum", b"1")] if trailing else [])


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 300])
def test_a_whole_body_is_one_chunk_or_none(data: bytes) -> None:
    body = chunked_body(data)
    assert Chunked(0).feed(body) == (data, b"")
    assert body.count(b"\r\n\r\n") == 1
