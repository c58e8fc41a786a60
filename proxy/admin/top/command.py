"""The command: it asks the proxies once a second, and shows what they say."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Final

from proxy.admin.client import WHERE
from proxy.admin.top.keys import keys
from proxy.admin.top.screen import screen
from proxy.admin.top.terminal import Line, standard_output, write
from proxy.admin.top.watch import PATIENCE, UNREACHABLE, Watched
from proxy.core.standard_output import lost

_EVERY: Final = 1.0
"""Seconds between two looks."""


def run(argv: list[str]) -> int:
    """The command: 0; 1 where no proxy is reached, 2 where none of those that are answers."""
    parser = argparse.ArgumentParser(
        prog="sidecar-proxy top",
        description="Shows in the terminal, once a second, what running proxies do: what is wrong, "
        "requests in flight, their times, and what is slow or fails. q or Ctrl-C ends it.",
        epilog="example: sidecar-proxy top --admin 127.0.0.1:9901",
    )
    parser.add_argument(
        "--admin",
        metavar="ADDR",
        action="append",
        help="[admin] listen of a proxy; default: 127.0.0.1:9901; may be given again",
    )
    parser.add_argument("--once", action="store_true", help="print it once and end")
    arguments = parser.parse_args(argv)
    return show(arguments.admin or ["127.0.0.1:9901"], once=arguments.once)


def show(addresses: Sequence[str], *, once: bool = False) -> int:
    """Show them until q or Ctrl-C, or ``once``. 0, or as ``run`` where none answers at first.

    Later it waits for one that is away: it may be restarting.
    """
    watched = [Watched(address) for address in addresses]
    first, failed = True, 0
    with contextlib.suppress(KeyboardInterrupt), keys(once=once) as typed_within:
        while True:
            began = time.monotonic()
            ask(watched, PATIENCE if once else _EVERY)
            failed = _failed(watched, once=once)
            over = once or (first and failed > 0)
            first = first and not any(each.status == 0 for each in watched)
            terminal = standard_output(once=over)
            lines = screen([each.known() for each in watched], terminal)
            if not (over or terminal.clears):
                lines.append(Line(""))
            try:
                write(lines, terminal)
            except OSError as error:
                return 1 if lost(error) else failed
            if over:
                if failed == UNREACHABLE:
                    sys.stderr.write(f"no proxy was reached; {WHERE}\n")
                return failed
            if typed_within(_EVERY - (time.monotonic() - began)):
                break
    return 0


def ask(watched: Sequence[Watched], seconds: float) -> None:
    """All of them at once. Those that have not answered then are shown as they were."""
    until = time.monotonic() + seconds
    for each in watched:
        each.ask()
    for each in watched:
        each.wait(until - time.monotonic())


def _failed(watched: Sequence[Watched], *, once: bool) -> int:
    """The exit status: 0 where one has answered, or still may."""
    statuses = [each.status for each in watched]
    if 0 in statuses or (None in statuses and not once):
        return 0
    return max(status or UNREACHABLE for status in statuses)
