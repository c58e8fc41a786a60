"""A body that is here as a whole, into a store that takes it in pieces."""

from collections.abc import Sequence

from proxy.core.stored import Writer


def write_whole(writer: Writer, whole: bytes, replaces: Sequence[bytes]) -> bool:
    """Store it; False where the store has no room. See ``Store.keep``."""
    if writer.write(whole):
        writer.commit(replaces)
        return True
    writer.abort()
    return False
