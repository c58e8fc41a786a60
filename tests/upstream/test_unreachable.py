"""Why a server cannot be connected to."""

import asyncio
import errno

import pytest
from aiohttp import ClientRequest
from yarl import URL

from proxy.core.errors import ConnectFailed
from proxy.upstream.unreachable import Unreachable


@pytest.mark.parametrize("name", ["", "the search API"])
async def test_the_sentence_names_the_server(name: str) -> None:
    template = ClientRequest("GET", URL("http://127.0.0.1:9"), loop=asyncio.get_running_loop())
    refused = OSError(errno.ECONNREFUSED, "Connection refused")
    error = await Unreachable(template, name).why(refused, looking_up=False, patience=5)
    assert isinstance(error, ConnectFailed)
    assert (name or "http://127.0.0.1:9") in str(error)
