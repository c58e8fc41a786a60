"""What stands in bodies that are compressed."""

import gzip
import zlib
from functools import partial

import pytest

from proxy.middleware.recording import decoded as module
from proxy.middleware.recording.decoded import decoded

TEXT = b'{"a": 1}'
zipped = partial(gzip.compress, mtime=0)  # names of cases are the same in every process


def raw(text: bytes) -> bytes:
    """Without a head, as some servers send what they call deflate."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"", TEXT),
        (b"identity", TEXT),
        (b"gzip", zipped(TEXT)),
        (b"X-GZIP", zipped(TEXT)),
        (b"gzip", zipped(TEXT[:3]) + zipped(TEXT[3:5]) + zipped(TEXT[5:])),
        (b"gzip", zipped(TEXT) + b"\0" * 9),
        (b"gzip", zipped(TEXT)[:-1]),
        (b"deflate", zlib.compress(TEXT)),
        (b"deflate", zipped(TEXT)),
        (b"deflate", raw(TEXT)),
    ],
)
def test_a_body_is_read(coding: bytes, body: bytes) -> None:
    assert decoded(body, [(b"Content-Encoding", coding)]) == TEXT


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"br", TEXT),
        (b"gzip, br", zipped(TEXT)),
        (b"gzip", TEXT),
        (b"gzip", raw(TEXT)),
        (b"deflate", b"\xff\xff"),
    ],
)
def test_what_cannot_be_read_is_none(coding: bytes, body: bytes) -> None:
    assert decoded(body, [(b"Content-Encoding", coding)]) is None


@pytest.mark.parametrize("size", [8, 7])
def test_what_is_too_long_is_not_cut(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", size)
    fields = [(b"Content-Encoding", b"gzip")]
    wanted = TEXT if size == len(TEXT) else None
    assert decoded(zipped(TEXT), fields) == wanted
    assert decoded(zipped(TEXT[:4]) + zipped(TEXT[4:]), fields) == wanted
