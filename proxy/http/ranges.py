"""Ranges of bytes (RFC 9110 14)."""

import itertools
import re
from collections.abc import Sequence
from typing import Final

from proxy.http.grammar import members

MOST: Final = 16
"""Ranges of one request; more of them, or some that overlap, get the whole (RFC 9110 14.2)."""

_SPEC: Final = re.compile(rb"(\d{1,18})-(\d{1,18})?|-(\d{1,18})")


def byte_ranges(lines: Sequence[bytes], length: int) -> list[tuple[int, int]] | None:
    """First and last position of each range of a body of ``length`` bytes.

    None where the field is to be ignored: another unit, malformed, too many, or of an empty body,
    whose last bytes can be asked for, but not sent (14.1.2, 14.4). An empty list where none can be
    satisfied.
    """
    if len(lines) != 1 or not length:
        return None
    unit, _, text = lines[0].partition(b"=")
    specs = members(text)
    if unit.strip().lower() != b"bytes" or not specs or len(specs) > MOST:
        return None
    found: list[tuple[int, int]] = []
    for spec in specs:
        parts = _SPEC.fullmatch(spec)
        if parts is None:
            return None
        if parts[3] is not None:
            size = min(int(parts[3]), length)
            start, last = length - size, length - 1
        else:
            start = int(parts[1])
            last = length - 1 if parts[2] is None else int(parts[2])
            if last < start and parts[2] is not None:
                return None
            last = min(last, length - 1)
        if start <= last:
            found.append((start, last))
    ordered = sorted(found)
    if any(second[0] <= first[1] for first, second in itertools.pairwise(ordered)):
        return None
    return found


def content_range(start: int, last: int, length: int) -> bytes:
    """The value of Content-Range (RFC 9110 14.4)."""
    return b"bytes %d-%d/%d" % (start, last, length)


def unsatisfied(length: int) -> bytes:
    """The same for a 416."""
    return b"bytes */%d" % length


def part_head(
    boundary: bytes, content_type: bytes | None, where: bytes, *, is_first: bool
) -> bytes:
    """What stands in front of a part of multipart/byteranges (RFC 9110 14.6)."""
    kind = b"" if content_type is None else b"Content-Type: %b\r\n" % content_type
    lead = b"" if is_first else b"\r\n"
    return b"%b--%b\r\n%bContent-Range: %b\r\n\r\n" % (lead, boundary, kind, where)


def last_boundary(boundary: bytes) -> bytes:
    """What stands behind the last part."""
    return b"\r\n--%b--\r\n" % boundary
