"""What stands for a secret, and where a known secret is found in another writing."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.core.redaction import HIDDEN, writings
from proxy.middleware.recording.members import Member, Scalar

_HIDDEN: Final = HIDDEN.encode()
_DIGIT: Final = re.compile(rb"\d")
_SECRET_TEXT: Final = re.compile(
    rb"(?i)-----BEGIN |(?:(?:basic|bearer|token) )?(?=\S*\Z)(?:\S{16}|(?=\S*\d)\S*[a-z])"
)
"""No blank, and 16 bytes or a letter and a digit; what stands behind a scheme; a key as PEM."""
_PLAIN: Final = re.compile(rb"[A-Za-z0-9._~-]*")
"""What URLs, JSON and Python write as it is (RFC 3986 2.3)."""


class Mask(NamedTuple):
    """What stands in the place of a secret."""

    secret: Callable[[bytes], bytes]
    """Of one that stands anywhere."""
    member: Callable[[bytes, Member], bytes]
    """Of the value of a member of JSON in a body."""


def _short(_: bytes) -> bytes:
    return _HIDDEN


def _long(secret: bytes) -> bytes:
    # A number of JSON stays one.
    return (b"1" if secret.isdigit() else b"*") * len(secret)


def _whole_member(body: bytes, member: Member) -> bytes:
    text = member.quote + _HIDDEN + member.quote
    if member.whole:
        return text
    # In the place of a number too, so that what follows it is found when it is hidden again.
    return _replaced(
        body, member, member.scalars, lambda _, is_number: text if is_number else _HIDDEN
    )


def _texts_and_numbers(body: bytes, member: Member) -> bytes:
    secret = [scalar for scalar in member.scalars if is_secret(body, scalar)]
    return _replaced(body, member, secret, _of_its_kind)


def _of_its_kind(value: bytes, is_number: bool) -> bytes:
    return _DIGIT.sub(b"1", value) if is_number else _long(value)


def is_secret(body: bytes, scalar: Scalar) -> bool:
    """Whether it is taken for one: by its name, or a text by what it looks like.

    ``{"password": ["is too short"]}`` and ``{"password": {"type": "string"}}`` hold words.
    """
    if scalar.is_named or scalar.is_number:
        return scalar.is_named
    return _SECRET_TEXT.match(body[scalar.start : scalar.end]) is not None


def _replaced(
    body: bytes,
    member: Member,
    scalars: Sequence[Scalar],
    instead: Callable[[bytes, bool], bytes],
) -> bytes:
    shown, at = [], member.start
    for scalar in scalars:
        value = body[scalar.start : scalar.end]
        shown += [body[at : scalar.start], instead(value, scalar.is_number)]
        at = scalar.end
    return b"".join([*shown, body[at : member.end]])


SHORT: Final = Mask(_short, _whole_member)
"""``***``: whatever a test sends in its place is the same."""
LONG: Final = Mask(_long, _texts_and_numbers)
"""As many bytes as the secret had."""


def without(text: bytes, secrets: Sequence[bytes], mask: Mask) -> bytes:
    """A text without these secrets, however it writes them; the longest stand first."""
    for secret in secrets:
        if _PLAIN.fullmatch(secret):
            if secret in text:
                text = text.replace(secret, mask.secret(secret))
        else:
            text = _writings(secret).sub(lambda found: mask.secret(found[0]), text)
    return text


@lru_cache(maxsize=256)
def _writings(secret: bytes) -> re.Pattern[bytes]:
    """Finds it as it is, and as URLs, JSON and Python escape it, be it all or in part."""
    in_part = b"".join([_byte(secret[at : at + 1]) for at in range(len(secret))])
    ways = sorted(writings(secret), key=len, reverse=True)
    # In part first: an escaped per cent sign begins with one, as the secret itself may end.
    return re.compile(b"|".join([in_part, *map(re.escape, ways)]))


def _byte(one: bytes) -> bytes:
    if _PLAIN.fullmatch(one):
        return re.escape(one)
    escapes = rb"(?i:%%(?:25){0,2}%02x|\\{1,7}u00%02x)" % (one[0], one[0])
    before = rb"\\{0,7}" if one in b'"/\\' else b""
    plus = rb"|\+" if one == b" " else b""
    return rb"(?:%b|%b%b%b)" % (escapes, before, re.escape(one), plus)
