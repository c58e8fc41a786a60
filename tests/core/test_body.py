"""A request body that is here already."""

from proxy.core.body import EMPTY, BytesBody


async def test_each_attempt_reads_a_body_from_its_first_byte() -> None:
    body = BytesBody(b"abc", b"Content-Length: 3\r\n", 3)
    for _ in range(2):
        reader = body.reader()
        assert [await reader.read(), await reader.read()] == [b"abc", b""]


def test_a_body_that_is_here_can_be_sent_again_and_copied() -> None:
    body = BytesBody(b"abc")
    assert body.resendable
    assert body.complete
    assert (body.buffered, body.received, body.copy()) == (b"abc", 3, body)


def test_no_body_is_empty_and_has_no_header_line() -> None:
    assert (EMPTY.buffered, EMPTY.framing, EMPTY.length) == (b"", b"", 0)
