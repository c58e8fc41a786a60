"""Whether a stream of events came to the end that its API means, by the words of known APIs.

A server whose work fails after it has sent its head can only say so in an event, and end the stream
as usual. One in front of it may end a stream as usual that was cut. Those who keep streams, to send
them again, must not keep these.
"""

import re
from typing import Final

LOOKED_AT: Final = 8 << 10
"""Bytes at the beginning and at the end of a stream that are looked at."""

_FAILED: Final = re.compile(
    rb"""^(?:event:[ ]?(?:error|response\.failed)[ \t\r]*$
    |data:[ ]?\{\s*"error"\s*:(?!\s*null))""",
    re.MULTILINE | re.VERBOSE,
)
_ENDS: Final = (
    (rb'"object"\s*:\s*"(?:chat\.completion\.chunk|text_completion)"', rb"^data: ?\[DONE\]"),
    (rb"^event: ?message_start\b", rb"^event: ?message_stop\b"),
    (rb"^event: ?response\.created\b", rb"^event: ?response\.(?:completed|incomplete)\b"),
)
"""How streams of models begin (OpenAI, Anthropic, OpenAI's responses), and how those end."""
_KNOWN: Final = tuple(
    (re.compile(begin, re.MULTILINE), re.compile(end, re.MULTILINE)) for begin, end in _ENDS
)


def ends_well(first: bytes, last: bytes) -> bool:
    """``first`` and ``last``: the first and the last bytes of a whole stream.

    True for a stream of an API that is not known here.
    """
    if _FAILED.search(last):
        return False
    return all(end.search(last) for begin, end in _KNOWN if begin.search(first))
