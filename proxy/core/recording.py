"""What is kept of an API for tests: requests, and their replies to the byte.

``sidecar-proxy record`` writes it, ``sidecar-proxy replay`` answers from it. Nothing in it is
secret: whoever makes a ``Question`` or an ``Answer`` has hidden all credentials before.
"""

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol

from proxy.http.canonical_json import canonical
from proxy.http.codings import codings
from proxy.http.fields import Fields, RawHeaders, is_json, media_type, values

MOST: Final = 64 << 20
"""Bytes of the longest body that is recorded; it is held in memory."""
_DIGITS: Final = 16
"""Hexadecimal ones of a key: a part of it stands in the names of files."""
_BOUNDARY: Final = re.compile(rb'(?i);\s*boundary="?([^";]+)')


@dataclass(frozen=True, slots=True)
class Question:
    """A request, as far as others are compared with it: method, target and body."""

    method: str
    target: bytes
    fields: Fields
    """They are kept for readers; no request is told apart by them, but for the kind of the body."""
    body: bytes
    key: str = field(init=False)
    """The same for equal requests: hexadecimal digits."""

    def __post_init__(self) -> None:
        parts = (self.method.encode(), self.target, compared(self.body, self.fields))
        text = b"".join([b"%d:%b" % (len(part), part) for part in parts])
        object.__setattr__(self, "key", sha256(text).hexdigest()[:_DIGITS])


def compared(body: bytes, fields: RawHeaders) -> bytes:
    """What a body is compared by.

    JSON counts by what it means (RFC 8785). The parts of a multipart body count without the
    boundary, which clients make up anew each time.
    """
    kinds = values(fields, b"content-type")
    if not body or len(kinds) != 1 or codings(fields):
        return body
    kind = media_type(kinds[0])
    if is_json(kind):
        return canonical(body) or body
    if kind.startswith(b"multipart/") and (found := _BOUNDARY.search(kinds[0])):
        return body.replace(b"--" + found[1].strip(), b"--boundary")
    return body


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply."""

    status: int
    reason: bytes
    fields: Fields
    """End-to-end fields as they came, Content-Length excluded."""
    body: bytes
    pieces: list[tuple[float, int]]
    """Of the body as it came: seconds from the head to a piece, and its bytes."""
    trailers: Fields
    wait: float
    """Seconds from the request to the head."""
    length: int | None
    """Bytes that the reply announces, for HEAD more than it has; None: only its end tells."""
    ended: bool = True
    """False: a stream of events that its client left."""


class Recording(Protocol):
    """Questions and their answers."""

    @property
    def redact(self) -> tuple[str, ...]:
        """Names of query parameters, fields and members whose values are hidden too."""

    def add(self, question: Question, answer: Answer) -> None:
        """Keep it, behind the others of this question. Raises OSError."""

    def questions(self) -> list[Question]:
        """All that have an answer, each once."""

    def count(self, key: str) -> int:
        """How many answers there are to a question."""

    def answer(self, key: str, number: int) -> Answer:
        """One of them, from 0 on. Raises OSError or ValueError where its file is not good."""
