"""The bytes that requests and replies carry: each body follows from the nonce of its request."""

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any, Final

TRAILERS: Final = (b"", b"", b"", b"X-Chaos-Sum: 1\r\n", b"Content-Length: 3\r\nX-A: b\r\n")
"""What may follow a chunked body; framing fields there mean nothing (RFC 9110 6.5.1)."""
NONCE: Final = "X-Chaos-Nonce"
"""Field of a reply: whose answer it is."""
POISON: Final = "poison"
"""The nonce of replies that no client may ever see."""


def upload(nonce: str, size: int) -> bytes:
    """The body of a request, ``size`` bytes."""
    return hashlib.shake_128(b"up " + nonce.encode()).digest(size)


def filler(nonce: str, size: int) -> bytes:
    """What follows the first line of an answer, ``size`` bytes."""
    return hashlib.shake_128(b"down " + nonce.encode()).digest(size)


def digest(data: bytes) -> str:
    """A checksum to compare bodies by."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def echo(nonce: str, method: str, target: str, body: bytes | None, size: int) -> bytes:
    """The body of an answer: one line of JSON that says what had arrived, then the filler.

    ``body`` is None where the server answers before it has read the request's body.
    """
    said: dict[str, Any] = {"nonce": nonce, "method": method, "target": target, "size": size}
    if body is not None:
        said |= {"length": len(body), "digest": digest(body)}
    return json.dumps(said).encode() + b"\n" + filler(nonce, size)


def event(nonce: str, number: int) -> bytes:
    """One event of a stream; the first one has the number 1."""
    return f"id: {number}\ndata: {nonce} {number}\n\n".encode()


def pieces(data: bytes, rng: random.Random, most: int) -> Iterator[bytes]:
    """``data`` in at most ``most`` pieces of odd sizes, none of them empty."""
    cuts = sorted({rng.randrange(1, len(data)) for _ in range(most - 1)}) if len(data) > 1 else []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if end > start:
            yield data[start:end]


def chunked(data: bytes, rng: random.Random, most: int, trailers: bytes = b"") -> bytes:
    """``data`` in the chunked coding (RFC 9112 7.1), to its end; ``trailers`` are whole lines."""
    parts = []
    for piece in pieces(data, rng, most):
        extension = b";a=b" if rng.random() < 0.05 else b""
        parts.append(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece))
    return b"".join(parts) + b"0\r\n%b\r\n" % trailers
