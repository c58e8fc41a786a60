"""``python -m proxy.demo``: the demo API alone."""

import argparse
import asyncio
import errno
import signal
import sys
from contextlib import suppress

from aiohttp import web

from proxy.demo.app import application
from proxy.net import holder


async def serve(host: str, port: int, *, tied: bool) -> None:
    """Serve until a signal comes or, where ``tied``, standard input ends."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if tied:
        await loop.connect_read_pipe(lambda: _Tie(over), sys.stdin)
    # auto_decompress: /echo is about what arrived, not about what it means.
    runner = web.AppRunner(
        application(),
        access_log=None,
        handler_cancellation=True,
        auto_decompress=False,
        shutdown_timeout=0.5,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        sys.stderr.write(f"demo ready http://{shown}:{runner.addresses[0][1]}\n")
        await over.wait()
    finally:
        await runner.cleanup()


class _Tie(asyncio.Protocol):
    """Ends the process with the one that started it, however that one ends."""

    def __init__(self, over: asyncio.Event) -> None:
        self._over = over

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set()


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m proxy.demo", description="A slow demo API.")
    parser.add_argument("--listen", default="127.0.0.1:9000", metavar="HOST:PORT")
    parser.add_argument("--tied", action="store_true", help="end when standard input ends")
    options = parser.parse_args(argv)
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--listen wants HOST:PORT, got {options.listen!r}")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(host.strip("[]"), int(port), tied=options.tied))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = f"port {port} is taken{holder.of_port(int(port))}" if taken else error.strerror
        sys.stderr.write(f"demo: cannot listen on {options.listen}: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
