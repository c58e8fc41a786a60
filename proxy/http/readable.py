"""Bytes of a peer in a sentence for people."""


def readable(data: bytes | bytearray) -> str:
    """Between quotes, with an escape such as ``\\xff`` for each byte that is no plain text."""
    return repr(bytes(data))[1:]
