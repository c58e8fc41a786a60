"""What is said of a refused request shows nothing that may be a credential."""

import logging

import pytest

from tests.support.proxy import fronted

CHUNKS = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"Authorization : Bearer sekret\r\n\r\n",
        GET + b"Authorization: Bearer\r\n sekret\r\n\r\n",
        GET + b"Authorization: Bearer \x01sekret\r\n\r\n",
        GET + b"Authorization:\r\nsekret\r\n\r\n",
        GET + b"Cookie sekret: 1\r\n\r\n",
        GET + b"Authorization: Bearer sekret\x00",
        GET + b"Authorization: Bearer sekret\n",
        GET + b"Authorization : Bearer sekret\r\n",
        b"GET  /?token=sekret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?token=sekret RTSP/1.0\r\nHost: a\r\n\r\n",
        b"GET http://user:sekret@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET ftp://user:sekret@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET a?token=sekret HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKS + b"sekret\r\n",
        CHUNKS + b"1\r\nasekret",
        CHUNKS + b"1\r\na\r\nsekret",
        CHUNKS + b"1;sekret\x01",
        CHUNKS + b"0\r\nX-Secret : sekret\r\n\r\n",
        CHUNKS + b"0\r\n sekret\r\n\r\n",
    ],
    ids=range(19),
)
async def test_neither_the_answer_nor_standard_error_shows_it(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    options = {"errors": {"details": True}}
    async with fronted(["hold"], **options) as (_, proxy):
        response = await proxy.ask(request_)
        assert response.status == 400
        assert b"sekret" not in response.body + response.head.raw
        assert "sekret" not in caplog.text
        assert len(response.body) > 100  # it does say what was wrong
