"""A start for which there is no loop."""

import subprocess
import sys

PATIENCE = 60.0


def test_a_start_without_a_descriptor_for_the_loop_says_so() -> None:
    """It ended with 1: requests were cut, and systemd did not start it again."""
    source = (
        "import errno, asyncio, sys, os, uvloop\n"
        "from proxy import cli\n"
        "def none_left(): raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))\n"
        "uvloop.new_event_loop = none_left\n"
        "sys.exit(cli.main(['run', '--upstream', 'http://127.0.0.1:1']))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 3
    assert b"Too many open files" in ended.stderr
