"""What names cannot tell of aiohttp: what ``proxy/edge`` takes for granted of how it works.

``tests/tools/test_aiohttp_names.py`` holds the names.
"""

import inspect

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy.edge.http1.connection import Connection


def test_the_handler_takes_the_limits_we_set() -> None:
    known = set(inspect.signature(RequestHandler.__init__).parameters)
    assert known >= {
        "loop",
        "keepalive_timeout",
        "lingering_time",
        "auto_decompress",
        "access_log",
    }


def test_finishing_a_response_asks_only_for_prepare_and_write_eof() -> None:
    source = inspect.getsource(RequestHandler.finish_response)
    assert "resp.prepare" in source
    assert "resp.write_eof()" in source
    assert "resp.keep_alive" in inspect.getsource(RequestHandler.start)


def test_the_server_hands_over_cancellation() -> None:
    assert "handler_cancellation" in inspect.signature(web.Server.__init__).parameters
    assert issubclass(Connection, RequestHandler)
