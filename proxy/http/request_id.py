"""The names under which a request is found again: X-Request-Id and traceparent."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from proxy.http.fields import DASHED

Field: TypeAlias = tuple[bytes, bytes]

REQUEST_ID: Final = b"X-Request-Id"
"""As it is written."""
REQUEST_ID_LOWER: Final = REQUEST_ID.lower()
_TRACEPARENT: Final = b"traceparent"
_TRACESTATE: Final = b"tracestate"
ID_FIELDS: Final = frozenset((REQUEST_ID_LOWER, _TRACEPARENT, _TRACESTATE))
"""The fields that name a request, in lower case; another writing, ``X_Request_Id``, names none."""
_LENGTHS: Final = frozenset(map(len, (REQUEST_ID_LOWER, _TRACEPARENT, _TRACESTATE)))

_VALID_ID: Final = re.compile(rb"[!-~]{1,128}")
# W3C Trace Context 3.2.2: no version ff, no zeros; later versions may go on after a dash.
_VALID_PARENT: Final = re.compile(
    rb"(?!ff)(?:00-(?=.{52}\Z)|[0-9a-f]{2}-(?<!00-))"
    rb"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?"
)


TRACE_ID: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-")
"""The start of a traceparent, with the id of the trace (W3C Trace Context 3.2.2.3)."""


def is_parent(value: bytes) -> bool:
    """Whether it is a traceparent; any other value counts as none (W3C Trace Context 3.2.2)."""
    return _VALID_PARENT.fullmatch(value) is not None


def trace_id(fields: Sequence[tuple[bytes, bytes]]) -> str:
    """The id of the trace in the first traceparent that has one; empty for none."""
    for name, value in fields:
        if len(name) == 11 and name.lower() == _TRACEPARENT:
            found = TRACE_ID.match(value)
            return "" if found is None else found[1].decode()
    return ""


class NewIds(msgspec.Struct, frozen=True, gc=False):
    """What a request is called, and the fields that say so."""

    request_id: str
    fields: tuple[Field, ...]
    """Those that are added."""
    lines: bytes
    trace: bytes = b""
    """The traceparent; empty where the id of the request is that of its trace too."""


_LOW: Final = (1 << 64) - 1
EVERY: Final = 1 << 64
"""``sampled``, where every trace that is made here is marked as sampled."""


def sampled_of(share: float) -> int:
    """``sampled``, where it is a share of them: ``[tracing] sample``.

    A trace is sampled where the lower half of its id is a smaller number.
    """
    return round(share * EVERY)


def _new_trace(number: int, sampled: int) -> bytes:
    """A traceparent, see ``own_span``."""
    trace = b"%032x" % number
    flags = b"01" if number & _LOW < sampled else b"00"
    return b"00-%b-%b%b-%b" % (trace, trace[24:], trace[16:24], flags)


def own_span(trace_id: str) -> str:
    """The id of our own span in a trace that began here: its parent in the traceparent we make.

    Whoever reads that again knows that the trace began here. It is the second half of the trace
    with its own halves changed over: the second half itself is what traces of 64 bits have as the
    id of their root (B3), and that may be a client's span.
    """
    return trace_id[24:] + trace_id[16:24]


def new_ids(bits: Callable[[int], int] = random.getrandbits, sampled: int = EVERY) -> NewIds:
    """A new name: one number serves as request id and as trace."""
    number = bits(128) or 1
    request_id = b"%032x" % number
    # As ``_new_trace`` has it, without a call: most requests come here.
    flags = b"01" if number & _LOW < sampled else b"00"
    trace = b"00-%b-%b%b-%b" % (request_id, request_id[24:], request_id[16:24], flags)
    return NewIds(
        request_id.decode(),
        ((REQUEST_ID, request_id), (b"traceparent", trace)),
        b"X-Request-Id: %b\r\ntraceparent: %b\r\n" % (request_id, trace),
    )


def kept_ids(
    given: Sequence[Field],
    bits: Callable[[int], int] = random.getrandbits,
    sampled: int = EVERY,
) -> NewIds | None:
    """The name of a request that came with these fields of ``ID_FIELDS``, and what it lacks.

    As ``ensure_ids`` has it; None where one of them could not stay as it is.
    """
    if not given:
        return new_ids(bits, sampled)
    request_id = trace = b""
    parents = states = 0
    for name, value in given:
        low = name.lower()
        if low == _TRACEPARENT and not parents and _VALID_PARENT.fullmatch(value):
            parents, trace = 1, value
        elif low == REQUEST_ID_LOWER and not request_id and _VALID_ID.fullmatch(value):
            request_id = value
        elif low == _TRACESTATE:
            states = 1
        else:
            return None
    if states and not parents:
        return None
    added: tuple[Field, ...] = ()
    lines = b""
    if not request_id:
        request_id = b"%032x" % bits(128)
        added = ((REQUEST_ID, request_id),)
        lines = b"X-Request-Id: %b\r\n" % request_id
    if not parents:
        trace = _new_trace(bits(128) or 1, sampled)
        added += ((b"traceparent", trace),)
        lines += b"traceparent: %b\r\n" % trace
    return NewIds(request_id.decode("ascii"), added, lines, trace)


def has_ids(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the client brought a name of its own, or what some servers take for one."""
    return any(len(name) in _LENGTHS and DASHED[name] in ID_FIELDS for name, _ in fields)


def ensure_ids(
    fields: Sequence[tuple[bytes, bytes]],
    bits: Callable[[int], int] = random.getrandbits,
    sampled: int = EVERY,
) -> tuple[list[tuple[bytes, bytes]], str]:
    """The fields with exactly one X-Request-Id and one traceparent, and the request id.

    Valid ones stay as and where they are, others are replaced. ``X_Request_Id`` goes: a server that
    takes ``_`` for ``-`` would have two of them. These are names, not secrets: the fast generator
    will do.
    """
    if not has_ids(fields):
        made = new_ids(bits, sampled)
        return [*fields, *made.fields], made.request_id
    ids: list[int] = []
    parents: list[int] = []
    states: list[int] = []
    gone: list[int] = []
    for index, (name, _) in enumerate(fields):
        if len(name) in _LENGTHS:
            low = name.lower()
            if low == REQUEST_ID_LOWER:
                ids.append(index)
            elif low == _TRACEPARENT:
                parents.append(index)
            elif low == _TRACESTATE:
                states.append(index)
            elif DASHED[name] == REQUEST_ID_LOWER:
                gone.append(index)
    kept = list(fields)
    gone += ids[1:]
    if ids and _VALID_ID.fullmatch(value := fields[ids[0]][1]):
        request_id = value.decode("ascii")
    else:
        request_id = f"{bits(128):032x}"
        _put(kept, ids, (REQUEST_ID, request_id.encode("ascii")))
    if len(parents) != 1 or not _VALID_PARENT.fullmatch(fields[parents[0]][1]):
        # A new trace: the state of another one does not belong to it (W3C Trace Context 3.4).
        trace = _new_trace(bits(128) or 1, sampled)
        _put(kept, parents, (b"traceparent", trace))
        gone += parents[1:] + states
    if gone:
        dropped = set(gone)
        kept = [field for index, field in enumerate(kept) if index not in dropped]
    return kept, request_id


def _put(kept: list[tuple[bytes, bytes]], places: list[int], field: tuple[bytes, bytes]) -> None:
    if places:
        kept[places[0]] = field
    else:
        kept.append(field)
