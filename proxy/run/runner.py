"""What serves an application of aiohttp: signals and the access log are ours."""

from typing import Final

from aiohttp import web

CLEANUP: Final = 0.1
"""Seconds that aiohttp may wait for handlers once the grace period is over; it waits twice."""


async def set_up(app: web.Application) -> web.AppRunner:
    """Its runner, set up."""
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CLEANUP)
    try:
        await runner.setup()
    except BaseException:
        await runner.cleanup()
        raise
    return runner
