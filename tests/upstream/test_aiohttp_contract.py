"""What names cannot tell of aiohttp: what ``proxy/upstream`` takes for granted of how it works.

``tests/tools/test_aiohttp_names.py`` holds the names.
A new aiohttp that changes any of this fails here first, loudly, and not in somebody's traffic.
"""

import asyncio
import inspect

from aiohttp import (
    BaseConnector,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler


def test_connector_connect_takes_a_request_traces_and_a_timeout() -> None:
    parameters = list(inspect.signature(BaseConnector.connect).parameters)
    assert parameters == ["self", "req", "traces", "timeout"]


async def test_what_follows_a_101_is_kept_in_the_tail() -> None:
    handler = ResponseHandler(asyncio.get_running_loop())
    assert (handler._tail, handler._upgraded, handler._reading_paused) == (b"", False, False)
    assert handler._payload is None


def test_the_connector_asks_one_method_for_the_connection_itself() -> None:
    parameters = inspect.signature(TCPConnector._wrap_create_connection).parameters
    assert list(parameters) == [
        "self",
        "args",
        "addr_infos",
        "req",
        "timeout",
        "client_error",
        "kwargs",
    ]
    source = inspect.getsource(TCPConnector._create_direct_connection)
    assert "await self._wrap_create_connection(\n                    self._factory," in source
