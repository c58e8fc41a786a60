"""Hosts that are gone from one moment to the next."""

import ctypes
import socket
import struct
from typing import Any

_ATTACH_FILTER = 26


def vanish(sock: Any) -> None:
    """Its host is gone, as far as the other side can tell: no packet is taken in any more."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0), 8)
    counted = struct.pack("@HP", 1, ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, counted)
