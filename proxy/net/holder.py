"""Who holds a port or a unix socket, as far as /proc shows it to us (Linux)."""

import os
from collections.abc import Iterator
from typing import Final

_LISTEN: Final = "0A"
_NET: Final = "/proc/net"


def of_port(port: int) -> str:
    """The end of a sentence: ``" by nginx (pid 12)"``, or nothing where it cannot be seen."""
    return _named(_listening(port))


def of_socket(path: str) -> str:
    """Likewise for a unix socket."""
    found = set()
    for fields in _table("unix"):
        if len(fields) == 8 and fields[7] == path:
            found.add(fields[6])
    return _named(found)


def _listening(port: int) -> set[str]:
    """Inodes of the sockets that listen on a TCP port."""
    found = set()
    for name in ("tcp", "tcp6"):
        for fields in _table(name):
            listens = len(fields) > 9 and fields[3] == _LISTEN
            if listens and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _table(name: str) -> Iterator[list[str]]:
    try:
        with open(f"{_NET}/{name}", encoding="utf-8", errors="replace") as lines:
            next(lines, None)
            yield from (line.split() for line in lines)
    except OSError:
        return


def _named(inodes: set[str]) -> str:
    """Processes that have one of these sockets open. Those of others can be seen by root only."""
    links = {f"socket:[{inode}]" for inode in inodes}
    folders = os.listdir("/proc") if links and os.path.isdir("/proc") else ()
    holders = [pid for pid in folders if pid.isdecimal() and _has(pid, links)]
    # Not their command lines, which may hold secrets.
    own = str(os.getpid())
    found = ["this proxy itself" if pid == own else f"{_name(pid)} (pid {pid})" for pid in holders]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f" by {', '.join(found[:3])}{more}" if found else ""


def _has(pid: str, links: set[str]) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(f"{folder}/{descriptor}") in links:
                return True
        except OSError:
            continue
    return False


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a process"
