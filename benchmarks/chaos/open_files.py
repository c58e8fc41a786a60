"""What the descriptors of a process point to: files, and sockets with their two ends."""

import contextlib
import os
import re
import socket
import struct
from pathlib import Path
from typing import Final

_STATES: Final = {1: "established", 6: "time-wait", 8: "close-wait", 10: "listening"}


def open_files(pid: int) -> list[str]:
    """One for each descriptor; sockets as ``socket:[INODE]``."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def told(pid: int) -> list[str]:
    """The same, each socket by its kind, its two ends and its state."""
    ends = _ends(pid)
    files = open_files(pid)
    return sorted(ends.get(file.removeprefix("socket:[").rstrip("]"), file) for file in files)


def _ends(pid: int) -> dict[str, str]:
    """Of all sockets that the process could have, by inode."""
    found = {}
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            words = line.split()
            state = int(words[3], 16)
            here, there = _address(words[1]), _address(words[2])
            found[words[9]] = f"{kind} {here} to {there} {_STATES.get(state, state)}"
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        found[words[6]] = f"unix {words[7] if len(words) > 7 else 'without a name'}"
    return found


def _address(text: str) -> str:
    """``0100007F:1F90`` is 127.0.0.1:8080: words of four bytes, as the machine has them."""
    host, _, port = text.partition(":")
    packed = b"".join(struct.pack("=I", int(word, 16)) for word in re.findall("." * 8, host))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return f"{socket.inet_ntop(family, packed)}:{int(port, 16)}"
