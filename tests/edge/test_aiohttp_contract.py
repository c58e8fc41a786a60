"""What ``edge/http1/connection.py`` uses of aiohttp's RequestHandler beyond its documented API."""

import inspect

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler

from proxy.edge.http1.connection import Connection


@pytest.mark.parametrize(
    "name",
    [
        "_messages",
        "_waiter",
        "_force_close",
        "_current_request",
        "_read_bufsize",
        "_buffer_paused",
        "_reading_paused",
        "_parser",
    ],
)
def test_the_handler_keeps_the_state_we_look_at(name: str) -> None:
    assert name in (*RequestHandler.__slots__, *BaseProtocol.__slots__)


@pytest.mark.parametrize(
    "name",
    [
        "_drain_helper",
        "_pause_transport_reading",
        "_resume_transport_reading",
        "_pause_reading_for_buffer",
        "_resume_reading_for_buffer",
        "pause_reading",
        "resume_reading",
        "data_received",
        "force_close",
    ],
)
def test_the_handler_has_the_methods_we_override_or_call(name: str) -> None:
    assert callable(getattr(RequestHandler, name))


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
