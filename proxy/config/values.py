"""Names, values, patterns and files in a configuration: what is wrong with one, or nothing."""

import grp
import os
import pwd
import stat
from typing import Final

from proxy.http.grammar import CONTROL, TOKEN
from proxy.http.hop_by_hop import FRAMING, HOP_BY_HOP

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY")


def is_token(text: str) -> bool:
    """Whether it can be the name of a field or a method."""
    return TOKEN.fullmatch(text.encode("utf-8", "surrogateescape")) is not None


def token_fault(name: str) -> str:
    """The name of a field or a method."""
    return "" if is_token(name) else f"not a name that HTTP allows: {name!r}"


def method_fault(method: str) -> str:
    """A method; they are case-sensitive (RFC 9110 9.1)."""
    if method not in _METHODS and method.upper() in _METHODS:
        return f"methods are case-sensitive, did you mean {method.upper()!r}?"
    if method == "CONNECT":
        return "CONNECT is answered with 405 whatever the routes say"
    return token_fault(method)


def owned_fault(name: str) -> str:
    """The name of a field that a rule wants to change."""
    lower = name.lower().encode("utf-8", "surrogateescape")
    if lower == b"host":
        return "Host is set by host_header of the upstream"
    if lower in FRAMING:
        return f"{name} belongs to the framing of the message, which the proxy does itself"
    if lower in HOP_BY_HOP:
        return f"{name} concerns one connection only, which the proxy speaks for itself"
    if lower in (b"via", b"x-request-id", b"x-sidecar-proxy"):
        return f"{name} is how the proxy signs and names what it forwards"
    if b"*" in lower:
        return f"names are whole, * stands for nothing else: {name!r}"
    return token_fault(name)


def value_fault(value: str) -> str:
    """The value of a field. It may be a secret, so the message does not repeat it."""
    return (
        "a control character cannot stand in a field"
        if CONTROL.search(value.encode("utf-8", "surrogateescape"))
        else ""
    )


def file_fault(path: str) -> str:
    """A file that is read at start."""
    try:
        # A pipe without a writer would hold up a plain open for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"cannot read {path!r}: {reason}"
    try:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
    return f"cannot read {path!r}: it is a directory" if is_directory else ""


def is_pipe(path: str) -> bool:
    """Whether it can be read only once, and perhaps not yet: that is left to the start."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def owner(text: str) -> tuple[int, int]:
    """``"USER:GROUP"`` as numbers, -1 for what is not named. Raises KeyError on an unknown name."""
    user, _, group = text.partition(":")
    uid = -1 if not user else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    gid = -1 if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    return uid, gid


def owner_fault(text: str) -> str:
    """The owner of a unix socket."""
    try:
        owner(text)
    except KeyError as error:
        return f"no such user or group: {str(error.args[0]).rpartition(': ')[2]}"
    return "" if text.strip(":") else 'expected "USER", "USER:GROUP" or ":GROUP"'
