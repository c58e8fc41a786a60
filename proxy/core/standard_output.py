"""Standard output that nobody takes any more: its reader has left, or there is no room."""

import contextlib
import os
import sys


def lost(error: OSError) -> bool:
    """Write to it no more, or the interpreter complains when it flushes at its end.

    Whether that is a fault, which is said on standard error; a reader that leaves (``| head``) is
    none.
    """
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return False
    with contextlib.suppress(OSError):
        sys.stderr.write(f"sidecar-proxy: cannot write to standard output: {error.strerror}\n")
    return True
