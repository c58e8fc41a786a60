"""Standard output that nobody takes any more: its reader has left, or there is no room."""

import contextlib
import os
import sys
from typing import TextIO


def lost(error: OSError) -> bool:
    """Write to it no more, or the interpreter complains when it flushes at its end.

    Whether that is a fault, which is said on standard error; a reader that leaves (``| head``) is
    none.
    """
    _give_up(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return False
    try:
        sys.stderr.write(f"sidecar-proxy: cannot write to standard output: {error.strerror}\n")
        sys.stderr.flush()
    except OSError:  # nor standard error
        _give_up(sys.stderr)
    return True


def _give_up(stream: TextIO) -> None:
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
