"""A stop that an operator has asked for."""

import asyncio
import signal

from proxy.admin.stopping import asked_by, stop


async def test_the_signal_can_be_told_from_one_of_somebody_else() -> None:
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, came.set)
    try:
        asked_by()  # tests before this one may have asked as well
        stop("POST /api/drain")
        await came.wait()
        assert asked_by() == "POST /api/drain"
        assert asked_by() == ""
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
